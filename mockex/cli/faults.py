"""`mockex faults`: what goes wrong at a running exchange, asked for by hand."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mockex.cli import ExitCode, complain, say, say_json
from mockex.cli.doctor import provision
from mockex.cli.faults_shown import (
    described,
    named,
    of_script,
    on_whom,
    show_faults,
    show_kind,
    show_kinds,
)
from mockex.cli.help import Choice, Group, option
from mockex.errors import AdminError, ConfigError, Problem, ScriptError
from mockex.faults.catalogue import (
    NoSuchFault,
    class_named,
    hints,
    kinds,
    make,
    value_of_text,
)
from mockex.faults.script import trigger_of

if TYPE_CHECKING:
    from mockex.admin_client import AdminClient

NO_ADDRESS = (
    "which exchange? Give --admin URL or set MOCKEX_ADMIN_URL: `mockex serve` says its own in the "
    "ready line (admin=…)"
)
_GONE, _CONFLICT = 0, 409
_POLL_S = 10.0  # how long one call waits for news of a script

_at = option(
    "--admin", envvar="MOCKEX_ADMIN_URL", metavar="URL",
    help="`admin=` of the ready line; or MOCKEX_ADMIN_URL.",
)  # fmt: skip
_as_json = option("--json", "as_json", is_flag=True, help="JSON instead of lines.")
_wait = option(
    "--wait", type=Choice(["seen", "no"]), default="seen", show_default=True, metavar="WORD",
    help="Until it is `seen` to happen, or `no`.",
)  # fmt: skip
_within = option(
    "--within", type=click.FloatRange(0, 600), default=5.0, show_default=True, metavar="SECONDS",
    help="How long to wait for that.",
)  # fmt: skip


def _kinds(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[click.shell_completion.CompletionItem]:
    """What a shell offers for KIND."""
    from click.shell_completion import CompletionItem

    return [
        CompletionItem(kind.spelled, help=kind.about)
        for kind in kinds()
        if kind.spelled.startswith(incomplete)
    ]


class _Faults(Group):
    """What the exchange refuses, or does not see happen, is a failure and no wrong usage."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; its exit code."""
        try:
            return super().invoke(ctx)
        except AdminError as error:
            complain(str(error))
            return ExitCode.FAILED if error.status in (_GONE, _CONFLICT) else ExitCode.USAGE


@click.group(
    cls=_Faults,
    examples="""
    export MOCKEX_ADMIN_URL=http://127.0.0.1:40511   # admin= of the ready line
    mockex faults add reset
    mockex faults add latency delay_ms=300 direction=both
    """,
)
def faults() -> None:
    """What goes wrong at a running exchange: add it, see it, end it; play scripts."""


faults.add_command(provision)


@faults.command(
    examples="""
    mockex faults add reset
    mockex faults add latency delay_ms=300 direction=both
    mockex faults add stall --when every=30s,times=3 --wait no
    """
)
@click.argument("kind", shell_complete=_kinds)
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
@option(
    "--when", metavar="TERMS",
    help="after=N events, or every=TIME,times=N; else now.",
)  # fmt: skip
@_wait
@_within
@_as_json
@_at
def add(
    kind: str,
    fields: tuple[str, ...],
    when: str | None,
    wait: str,
    within: float,
    as_json: bool,
    admin: str | None,
) -> int:
    """Inject a fault of KIND.

    `mockex faults types` lists kinds and fields. The exit code is 1 if it could not be done, or was
    not seen within --within.
    """
    body = _fault_of(kind, fields, when)
    with exchange_at(admin) as exchange:
        told = exchange.call("POST", "/faults", json=body)
        number = told["id"]
        if not as_json:
            say(f"injected: {described(told)}")
        if wait == "seen":
            asked = {"wait": "seen", "within_s": within}
            told = exchange.call("GET", f"/faults/{number}", params=asked, wait_s=within)
    if as_json:
        say(json.dumps(told))
    if wait == "no":
        return ExitCode.OK
    return _say_seen(told, within, as_json=as_json)


def _say_seen(told: dict[str, Any], within: float, *, as_json: bool) -> int:
    seen = told["times_seen"] > 0
    if not as_json and seen:
        say(f"seen: {named(told)}{on_whom(told)} after {told['seen_s'] - told['injected_s']:.3f} s")
    elif not as_json and told["failure"]:
        say(f"not done: {named(told)}: {told['failure']}")
    elif not as_json:
        ends_it = f"; it still waits, `mockex faults clear {told['id']}` ends it"
        say(f"not seen within {within:g} s: {named(told)}{ends_it if told['on'] else ''}")
    return ExitCode.OK if seen else ExitCode.FAILED


@faults.command("list")
@_as_json
@_at
def list_(as_json: bool, admin: str | None) -> None:
    """List what was injected, and what became of it."""
    with exchange_at(admin) as exchange:
        told = exchange.call("GET", "/faults")["faults"]
    if as_json:
        say(json.dumps(told))
        return
    show_faults(told)


@faults.command()
@click.argument("number", type=int, required=False, metavar="[ID]")
@_as_json
@_at
def clear(number: int | None, as_json: bool, admin: str | None) -> int:
    """End the fault ID, or every one that lasts or waits, and every script.

    The end of one on the link is the end of all on the link. The exit code is 1 if something cannot
    be ended.
    """
    with exchange_at(admin) as exchange:
        if number is None:
            answer = exchange.call("DELETE", "/faults")
            numbers = [*answer["ended"], *answer["still_on"]]
            told = [exchange.call("GET", f"/faults/{one}") for one in numbers]
        else:
            told = [exchange.call("DELETE", f"/faults/{number}")]
    if as_json:
        say(json.dumps(told))
    else:
        for one in told:
            say(f"{'still on' if one['on'] else 'ended'}: {described(one)}")
        if not told:
            say("nothing was on")
    return ExitCode.FAILED if any(one["on"] for one in told) else ExitCode.OK


@faults.command(examples="mockex faults types hold")
@click.argument("kind", required=False, shell_complete=_kinds)
@_as_json
def types(kind: str | None, as_json: bool) -> None:
    """List what can go wrong; of KIND, its fields with their units."""
    try:
        wanted = class_named(kind).__name__ if kind is not None else None
    except NoSuchFault as error:
        raise ConfigError("KIND", kind, f"a fault: {error}") from None
    found = [k for k in kinds() if wanted in (None, k.name)]
    if as_json:
        say_json(found if kind is None else found[0])
    elif kind is None:
        show_kinds(found)
    else:
        show_kind(found[0])


@faults.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_as_json
def check(file: Path, as_json: bool) -> int:
    """Say what is wrong with a fault script; nothing is run.

    The exit code is 4 if something is.
    """
    from mockex.cli.script_checked import ScriptChecked
    from mockex.faults.script_reading import read

    try:
        script = read(file)
    except ScriptError as error:
        if not as_json:
            raise
        say_json(ScriptChecked.wrong(error))
        return ExitCode.USAGE
    if as_json:
        say_json(ScriptChecked.right(script))
        return ExitCode.OK
    steps = "1 step" if len(script.steps) == 1 else f"{len(script.steps)} steps"
    say(f"{file}: {steps}, seed {script.seed}: nothing is wrong")
    return ExitCode.OK


@faults.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_wait
@_within
@_as_json
@_at
def run(file: Path, wait: str, within: float, as_json: bool, admin: str | None) -> int:
    """Play a fault script, and say what happens to each fault.

    The script ends with this command, also by Ctrl-C; with --wait no it is left to the exchange.
    The exit code is 1 if a fault could not be done, or was not seen within --within of the last.
    """
    from mockex.faults.script_reading import parse, source_of

    source, toml = source_of(file), file.suffix.lower() == ".toml"
    parse(source, toml=toml, file=str(file))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with exchange_at(admin) as exchange:
        started = exchange.call(
            "POST", "/faults/run", params={"file": file.name[-300:]}, content=source,
            content_type="application/toml" if toml else "application/json",
        )  # fmt: skip
        if wait == "no":
            said = f"started: script {started['id']}, {started['steps']} steps"
            say(json.dumps(started) if as_json else said)
            return ExitCode.OK
        path = f"/faults/runs/{started['id']}"
        try:
            return _follow(exchange, path, file, within, as_json=as_json)
        except (KeyboardInterrupt, BrokenPipeError):
            exchange.call("DELETE", path)
            raise


def _follow(
    exchange: AdminClient, path: str, file: Path, within: float, *, as_json: bool
) -> int:  # fmt: skip
    """Say what happens to the faults of a script, until it is over and all are seen."""
    after, failed, over = 0, False, False
    while True:
        wait_s = within if over else _POLL_S
        asked = {"after": after, "within_s": wait_s}
        told = exchange.call("GET", path, params=asked, wait_s=wait_s)
        for moment in told["moments"]:
            failed |= moment["phase"] == "ended" and bool(moment["detail"])
            click.echo(json.dumps(moment) if as_json else of_script(moment, file))
        if told["over"] and (not told["unseen"] or (over and told["next"] == after)):
            break
        after, over = told["next"], told["over"]
    for number in told["unseen"]:
        say_unseen = {"id": number, "unseen_within_s": within}
        words = f"{file}: fault {number} was not seen within {within:g} s"
        click.echo(json.dumps(say_unseen) if as_json else words)
    return ExitCode.FAILED if failed or told["unseen"] else ExitCode.OK


@contextmanager
def exchange_at(url: str | None) -> Iterator[AdminClient]:
    """The exchange that was named."""
    if not url:
        raise click.UsageError(NO_ADDRESS)
    from mockex.admin_client import AdminClient

    with AdminClient(url, "--admin") as client:
        yield client


def _fault_of(kind: str, fields: tuple[str, ...], when: str | None) -> dict[str, Any]:
    """What the admin API is sent.

    Raises:
        ConfigError: it is no fault that can be.
    """
    try:
        wanted = class_named(kind)
    except NoSuchFault as error:
        raise ConfigError("KIND", kind, f"a fault: {error}") from None
    types_ = hints(wanted)
    given: dict[str, Any] = {}
    for text in fields:
        name, equals, value = text.partition("=")
        if not equals or name in given:
            raise ConfigError("FIELD=VALUE", text, "each field once, as name=value")
        given[name] = value_of_text(types_[name], value) if name in types_ else value
    made = make(wanted, given, others=("when",))
    if isinstance(made, list):
        raise ScriptError(kind, [Problem(0, wrong.key, wrong.why) for wrong in made])
    body = {"fault": wanted.__name__, **given}
    if when is not None:
        body["when"] = _trigger(when)
    return body


def _trigger(text: str) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        parts[name] = int(value) if value.isdecimal() and len(value) < 16 else value
    if isinstance(trigger_of(parts), list):
        raise ConfigError("--when", text, "after=N for events, or every=TIME,times=N, like 30s")
    return parts
