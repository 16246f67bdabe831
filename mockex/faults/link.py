"""Faults of a link as values: what happens to the bytes between a client and the exchange.

The same values drive a real Toxiproxy and the simulated network. What would crash or wedge the
former cannot be said: each is checked when it is made (Toxiproxy 2.12 checks nothing).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Literal, Self, get_args

from mockex.errors import ConfigError, FaultError
from mockex.faults.model import Fault

Ends = Literal["fin", "reset"]  # how a link ends connections

_LONGEST_MS = 3_600_000
_MOST_BYTES = 10**12
_KB = 1000  # Toxiproxy counts in these


class Direction(StrEnum):
    """Of bytes on a link, in Toxiproxy's terms: downstream is from the exchange to the client."""

    DOWNSTREAM = "downstream"
    UPSTREAM = "upstream"


def directions(direction: Direction | None) -> tuple[Direction, ...]:
    """Which ones a fault means; None: both."""
    return tuple(Direction) if direction is None else (direction,)


def _within(name: str, value: float, least: float, most: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{name} must be a number, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least:g}, got {value!s:.20}")
    if not value <= most:  # NaN is not
        raise ValueError(f"{name} must be at most {most}, got {value!s:.20}")


def _whole(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} must be a whole number, got {value!r}")


def _known(direction: Direction | None) -> None:
    if direction is not None and not isinstance(direction, Direction):
        known = ", ".join(Direction)
        raise ValueError(f"direction must be one of {known} or None, got {direction!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFault(Fault):
    """Base of what happens to bytes between the two ends. `direction` None means each of both."""


# --- on bytes: until the link is cleared ----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(LinkFault):
    """Every chunk arrives `delay_ms` late, in order. Seen at the first event after it.

    With `jitter_ms` the delay is one from `delay_ms - jitter_ms` to `delay_ms + jitter_ms`, drawn
    by the link's seed for each direction each time that this begins. (Toxiproxy's own jitter takes
    no seed and drifts to its maximum on a dense stream, because order is kept; and a delay that
    changes under connections that come and go has hung it.)
    """

    delay_ms: int
    jitter_ms: int = 0
    direction: Direction | None = Direction.DOWNSTREAM

    def __post_init__(self) -> None:
        _whole("delay_ms", self.delay_ms)
        _whole("jitter_ms", self.jitter_ms)
        _known(self.direction)
        _within("delay_ms", self.delay_ms, 0, _LONGEST_MS)
        if not 0 <= self.jitter_ms <= self.delay_ms:
            raise ValueError(f"jitter_ms must be from 0 to delay_ms, got {self.jitter_ms}")

    def drawn_ms(self, seed: str, direction: Direction, turn: int) -> int:
        """The delay in one direction when this begins on a link for the `turn`-th time."""
        draws = Random(f"jitter {seed} {direction} {turn}")
        return self.delay_ms + draws.randint(-self.jitter_ms, self.jitter_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth(LinkFault):
    """Bytes pass at `bytes_per_s`, whole thousands of them, in pieces of at most a tenth of a
    second. Seen at the first event after it."""

    bytes_per_s: int
    direction: Direction | None = Direction.DOWNSTREAM

    def __post_init__(self) -> None:
        _whole("bytes_per_s", self.bytes_per_s)
        _known(self.direction)
        if self.bytes_per_s <= 0:
            raise ValueError(f"bytes_per_s must be positive, got {self.bytes_per_s}: see Hold")
        _within("bytes_per_s", self.bytes_per_s, _KB, _MOST_BYTES)
        if self.bytes_per_s % _KB:
            raise ValueError(f"bytes_per_s must be whole thousands, got {self.bytes_per_s}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(LinkFault):
    """Chunks are cut into pieces of at most `bytes`, which arrive `gap_ms` apart. Seen at the first
    event after it."""

    bytes: int
    gap_ms: float = 1.0
    direction: Direction | None = Direction.DOWNSTREAM

    def __post_init__(self) -> None:
        _whole("bytes", self.bytes)
        _known(self.direction)
        _within("bytes", self.bytes, 1, _MOST_BYTES)
        _within("gap_ms", self.gap_ms, 0.1, _LONGEST_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(LinkFault):
    """Nothing arrives until `Release`: bytes and ends wait on the link, complete and in order. Seen
    once something was due and held."""

    direction: Direction | None = None

    def __post_init__(self) -> None:
        _known(self.direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(LinkFault):
    """Ends every hold. `deliver`: what was held arrives. `lose`: it is gone, and connections end
    as this link ends them, because a stream with a hole in it is never delivered. Seen at the first
    event after it."""

    backlog: Literal["deliver", "lose"] = "deliver"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackHole(LinkFault):
    """Nothing arrives any more, not even an end, and what was sent is gone: for who sends, all is
    well. Over when the link is cleared; the connections end then. Seen once something was due and
    swallowed."""

    direction: Direction | None = None

    def __post_init__(self) -> None:
        _known(self.direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowClose(LinkFault):
    """A FIN arrives `delay_ms` late, bytes do not. Seen at the first end of a connection after
    it."""

    delay_ms: int
    direction: Direction | None = Direction.DOWNSTREAM

    def __post_init__(self) -> None:
        _whole("delay_ms", self.delay_ms)
        _known(self.direction)
        _within("delay_ms", self.delay_ms, 0, _LONGEST_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitData(LinkFault):
    """After `bytes` more bytes of a connection that exists, and after so many of one that comes
    later (its handshake counts), the link ends it on both sides. Seen at the first end after it."""

    bytes: int
    then: Ends = "fin"
    direction: Direction = Direction.DOWNSTREAM

    def __post_init__(self) -> None:
        _whole("bytes", self.bytes)
        _known(self.direction)
        _within("bytes", self.bytes, 1, _MOST_BYTES)
        if self.then not in get_args(Ends):
            raise ValueError(f"then must be fin or reset, got {self.then!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearLink(LinkFault):
    """Ends whatever lasts; what the link was made with goes on. What was held arrives. Connections
    end as this link ends them if something cannot be taken from under them: bytes that a black hole
    has swallowed, and with Toxiproxy a bandwidth or slices. Seen when that is done."""


# --- on connections: at once ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetLink(LinkFault):
    """Every connection that exists on the link ends with a RST on both sides; the link then
    accepts again. Seen when that is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinLink(LinkFault):
    """Every connection that exists on the link ends with a FIN on both sides; the link then accepts
    again. Seen when that is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(LinkFault):
    """Every connection that exists ends as this link ends them, and attempts are refused for `ms`.
    Seen when our own probe was refused."""

    ms: int

    def __post_init__(self) -> None:
        _whole("ms", self.ms)
        _within("ms", self.ms, 1, _LONGEST_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverAccept(LinkFault):
    """Attempts succeed and are never handed to the program that listens: nothing is read, nothing
    answered, and once its backlog is full further attempts hang. In the simulated network only:
    Toxiproxy accepts by itself."""


_SPELLED: dict[Ends, str] = {"fin": "FIN", "reset": "RST"}
LastingFault = Latency | Bandwidth | Slice | Hold | BlackHole | SlowClose | LimitData


def hold_to_ends(fault: LinkFault, ends: Ends) -> None:
    """Refuse a fault that would end connections in the other way: which way a link has is decided
    when it is made, for each connection that begins on it.

    Raises:
        FaultError: it would.
    """
    match fault:
        case ResetLink() | LimitData(then="reset"):
            wanted: Ends = "reset"
        case FinLink() | LimitData(then="fin"):
            wanted = "fin"
        case _:
            return
    if wanted != ends:
        raise FaultError(
            f"{type(fault).__name__} ends connections with {_SPELLED[wanted]}, and this link was "
            f"made to end them with {_SPELLED[ends]}: make it with ends={wanted}"
        )


# --- a link as a whole ----------------------------------------------------------------------------

_UNITS: dict[str, dict[str, float]] = {
    "time": {"ms": 1.0, "s": 1000.0},
    "rate": {"B/s": 1, "KB/s": _KB, "MB/s": _KB**2},
    "size": {"B": 1, "KB": _KB},
}
_PARTS = {
    "latency": "time", "jitter": "time", "bandwidth": "rate", "slice": "size", "gap": "time",
    "ends": "ends",
}  # fmt: skip
EXAMPLE = "latency=80ms,jitter=20ms,bandwidth=64KB/s,slice=10B,gap=1ms,ends=reset"


@dataclass(frozen=True, slots=True)
class LinkTerms:
    """A line as it is from the beginning: what is done to all bytes that pass, and how it ends
    connections when it is told to."""

    faults: tuple[LastingFault, ...] = ()
    ends: Ends = "fin"
    text: str = field(default="", compare=False)  # as somebody wrote it

    def __post_init__(self) -> None:
        if self.ends not in get_args(Ends):
            raise ValueError(f"ends must be fin or reset, got {self.ends!r}")
        for fault in self.faults:
            if not isinstance(fault, LastingFault):
                raise ValueError(f"{type(fault).__name__} does not last: a line is not made of it")
            if isinstance(fault, LimitData) and fault.then != self.ends:
                raise ValueError(f"then={fault.then} is not how this line ends: ends={self.ends}")

    @classmethod
    def parse(cls, text: str, setting: str = "--link") -> Self:
        """Read `latency=80ms,jitter=20ms,bandwidth=64KB/s,slice=10B,gap=1ms,ends=reset`: any of
        these parts, each of both directions.

        Raises:
            ConfigError: it is none; names the part.
        """
        given: dict[str, float] = {}
        ends: Ends = "fin"
        parts = [part for part in map(str.strip, text.split(",")) if part]
        if not parts:
            raise ConfigError(setting, text, f"at least one of {', '.join(_PARTS)}: {EXAMPLE}")
        for part in parts:
            name, _, value = part.partition("=")
            if name not in _PARTS or name in given:
                raise ConfigError(setting, part, f"each once of {', '.join(_PARTS)}: {EXAMPLE}")
            if name != "ends":
                given[name] = _measured(setting, part, value, _UNITS[_PARTS[name]])
            elif value == "reset":
                ends = "reset"
            elif value != "fin":
                raise ConfigError(setting, part, "ends=fin or ends=reset")
        for name, other in (("jitter", "latency"), ("gap", "slice")):
            if name in given and other not in given:
                raise ConfigError(setting, text, f"{other}=… beside {name}")
        try:
            return cls(tuple(_faults(given)), ends, ",".join(parts))
        except ValueError as error:
            raise ConfigError(setting, text, f"another value: {error}") from None


def _measured(setting: str, part: str, value: str, units: dict[str, float]) -> float:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z/]+)", value)
    if found is None or found[2] not in units:
        raise ConfigError(setting, part, f"a number with one of {', '.join(units)}")
    measured = round(float(found[1]) * units[found[2]], 6)
    if not measured.is_integer() and not part.startswith("gap="):  # of which there are tenths
        raise ConfigError(setting, part, f"whole {next(iter(units))}")
    return measured


def _faults(given: dict[str, float]) -> list[LastingFault]:
    makers: dict[str, Callable[[float], LastingFault]] = {
        "latency": lambda ms: Latency(
            delay_ms=round(ms), jitter_ms=round(given.get("jitter", 0)), direction=None
        ),
        "bandwidth": lambda rate: Bandwidth(bytes_per_s=round(rate), direction=None),
        "slice": lambda size: Slice(
            bytes=round(size), gap_ms=given.get("gap", 1.0), direction=None
        ),
    }
    return [make(given[name]) for name, make in makers.items() if name in given]
