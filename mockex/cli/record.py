"""`mockex record`: what an exchange sends, into a file that `serve --market replay:FILE` plays."""

from __future__ import annotations

import asyncio
import signal
import ssl
from pathlib import Path

import click

from mockex.cli import ExitCode, complain, say


def _names(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


@click.command()
@click.argument("url")
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="A new file; compressed if its name ends in .gz.",
)  # fmt: skip
@click.option(
    "--for", "for_s", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
    help="How long; else until Ctrl-C.",
)  # fmt: skip
@click.option(
    "--streams", default="", callback=_names, metavar="LIST",
    help="Streams to ask for, separated by commas, where URL is the base of an exchange.",
)  # fmt: skip
@click.option(
    "--stream", metavar="NAME",
    help="What the events of a raw connection are of, where the path does not say it.",
)  # fmt: skip
@click.option(
    "--rest", metavar="URL",
    help="The base of REST, such as http://127.0.0.1:8080/api/v3: a snapshot of each symbol whose "
    "diffs are recorded is written, too.",
)  # fmt: skip
@click.option(
    "--trust", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Certificate of an authority to trust, for wss://.",
)  # fmt: skip
def record(
    url: str,
    out: Path,
    for_s: float | None,
    streams: tuple[str, ...],
    stream: str | None,
    rest: str | None,
    trust: Path | None,
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
    say(f"{recorded.events} events in {recorded.seconds:.1f} s, written to {out}")
    if recorded.cut is not None:
        complain(f"cut: {recorded.cut}")
        return ExitCode.FAILED
    return ExitCode.OK
