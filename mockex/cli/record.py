"""`mockex record`: what an exchange sends, into a file that `serve --market replay:FILE` plays."""

from __future__ import annotations

import asyncio
import signal
import ssl
from pathlib import Path

import click
import msgspec

from mockex.cli import ExitCode, complain, say, say_json
from mockex.cli.help import Command, option


def _names(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


class RecordResult(msgspec.Struct, frozen=True, kw_only=True):
    """What `mockex record --json` prints. `cut` says why the other side ended it, null if we did;
    `warnings` are messages that were not written."""

    file: str
    events: int
    seconds: float
    warnings: list[str]
    cut: str | None


@click.command(
    cls=Command,
    examples="""
    mockex record ws://127.0.0.1:9443 --streams ethusdc@depth,ethusdc@trade --out a.ndjson
    mockex record wss://stream.binance.com/ws/ethusdc@trade --for 60 --out a.ndjson.gz
    """,
)
@click.argument("url")
@option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="A new file; compressed if it ends in .gz.",
)  # fmt: skip
@option(
    "--for", "for_s", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
    help="How long; else until Ctrl-C.",
)  # fmt: skip
@option(
    "--streams", default="", callback=_names, metavar="LIST",
    help="To ask for where URL is a base, with commas.",
)  # fmt: skip
@option("--stream", metavar="NAME", help="Of a raw URL whose path does not say it.")
@option("--rest", metavar="URL", help="Base of REST: snapshots for the diffs, too.")
@option(
    "--trust", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Certificate to trust, for wss://.",
)  # fmt: skip
@option("--json", "as_json", is_flag=True, help="The result as JSON on stdout.")
def record(
    url: str,
    out: Path,
    for_s: float | None,
    streams: tuple[str, ...],
    stream: str | None,
    rest: str | None,
    trust: Path | None,
    as_json: bool,
) -> int:
    """Write what an exchange sends at URL to a file that `serve --market replay:FILE` plays.

    URL is of a combined connection (…/stream?streams=a/b) or of a raw one (…/ws/a), or the base of
    an exchange with --streams. The exit code is 1 if the other side ended the connection.
    """
    from mockex.recording import Recorded, source_of
    from mockex.recording import record as recording_of

    source = source_of(url, streams=streams, stream=stream)
    trusted = ssl.create_default_context(cafile=trust) if trust is not None else None

    async def run() -> Recorded:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        return await recording_of(source, out, for_s=for_s, stop=stop, rest=rest, trust=trusted)

    recorded = asyncio.run(run())
    for warning in recorded.warnings[:10]:
        complain(warning)
    if len(recorded.warnings) > 10:
        complain(f"{len(recorded.warnings) - 10} more messages were not written")
    if as_json:
        say_json(
            RecordResult(
                file=str(out),
                events=recorded.events,
                seconds=round(recorded.seconds, 3),
                warnings=recorded.warnings,
                cut=recorded.cut,
            )
        )
    else:
        say(f"{recorded.events} events in {recorded.seconds:.1f} s, written to {out}")
    if recorded.cut is not None:
        complain(f"cut: {recorded.cut}")
        return ExitCode.FAILED
    return ExitCode.OK
