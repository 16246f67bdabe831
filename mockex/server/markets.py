"""The market that an exchange is asked for: one that moves by itself, or a capture from a file."""

from __future__ import annotations

import gzip
import logging
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from mockex.errors import CaptureError
from mockex.market.capture import read_capture
from mockex.market.instruments import instruments, listed_beside
from mockex.market.replay import Replay
from mockex.market.walk import Market
from mockex.profile import Profile

REPLAY = "replay:"
_GZIP = b"\x1f\x8b"
_MOST_SAID = 10  # bad lines that are named one by one

log = logging.getLogger("mockex")


def make_market(
    kind: str,
    profile: Profile,
    symbols: Sequence[str],
    *,
    seed: int,
    step_ms: int,
    rate: float,
    volatility: float,
    loop: bool,
    lenient: bool,
) -> Market:
    """The market called `kind`: `walk`, `steady`, `frozen`, or `replay:FILE`, whose symbols are the
    capture's.

    Raises:
        ConfigError: there is none of that name, or a setting is out of its range.
        CaptureError: the file is no capture of this profile.
        OSError: the file cannot be read.
    """
    if kind.startswith(REPLAY):
        path = Path(kind.removeprefix(REPLAY))
        capture = read_capture(_lines(path, lenient=lenient), str(path), profile, lenient=lenient)
        for number, reason in capture.skipped[:_MOST_SAID]:
            log.warning("%s:%d: %s", path, number, reason)
        if len(capture.skipped) > _MOST_SAID:
            log.warning("%s: %d more lines are bad", path, len(capture.skipped) - _MOST_SAID)
        return Replay(capture, profile, seed=seed, loop=loop)
    traded = instruments(profile, symbols)
    return Market(
        (*traded, *listed_beside(profile, traded)),
        seed=seed,
        profile=profile,
        kind=kind,
        step_ms=step_ms,
        rate=rate,
        volatility=volatility,
    )


def _lines(path: Path, *, lenient: bool) -> Iterator[bytes]:
    """The lines of a file, which may be compressed whatever its name is; with `lenient` as far as
    they can be unpacked."""
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP
        file.seek(0)
        if not compressed:
            yield from file
            return
        number = 0
        try:
            with gzip.open(file) as unpacked:
                for line in unpacked:
                    number += 1
                    yield line
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            cut = CaptureError(str(path), number + 1, f"cut: {error}")
            if not lenient:
                raise cut from None
            log.warning("%s", cut)
