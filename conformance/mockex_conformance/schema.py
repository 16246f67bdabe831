"""JSON Schema of what programs exchange with us, made of the types that we parse with ourselves.

Dialect 2020-12. A schema says what types can say; what else holds is in the page it names.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import click
import msgspec

from mockex import config
from mockex.cli import cli, writing
from mockex.doctor.answer import Diagnosis
from mockex.errors import ConfigError
from mockex.faults.schema import script_schema
from mockex.server.journal import AnyEntry
from mockex_conformance import results
from mockex_conformance.description import CEILINGS, Expect, Limits
from mockex_conformance.harness import messages
from mockex_conformance.harness.load import MutantTable, TesteeTable
from mockex_conformance.report.lines import Line
from mockex_conformance.verdict import CaseVerdict

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/{name}"

Schema = dict[str, Any]


def _of(types: Iterable[Any]) -> tuple[list[Schema], dict[str, Any]]:
    made, parts = msgspec.json.schema_components(types, ref_template=_REF)
    for part in parts.values():
        if "description" in part:  # of a docstring, whose lines 3.13 indents otherwise than 3.11
            part["description"] = " ".join(part["description"].split())
    return list(made), parts


def _object(members: Mapping[str, Any], optional: Iterable[str] = (), **more: Any) -> Schema:
    required = [name for name in members if name not in optional]
    return {"type": "object", "properties": dict(members), "required": required, **more}


def _message(members: Mapping[str, Any], optional: Iterable[str] = ()) -> Schema:
    return _object({"jsonrpc": {"const": "2.0"}, **members}, optional)


def _empty(kind: type[msgspec.Struct]) -> bool:
    return all(not field.required for field in msgspec.structs.fields(kind))


def _testee_says() -> Schema:
    """Notifications by method, those that we do not know, and answers."""
    known = list(messages.NOTIFICATIONS)
    results = list(dict.fromkeys(messages.RESULTS.values()))
    made, parts = _of([*messages.NOTIFICATIONS.values(), messages.Failure, *results])
    lines = [
        _message(
            {"method": {"const": method}, "params": params}, ["params"] if _empty(kind) else ()
        )
        for (method, kind), params in zip(messages.NOTIFICATIONS.items(), made, strict=False)
    ]
    failure, *made_results = made[len(known) :]
    number = {"type": "integer"}
    unknown = {"type": "string", "not": {"enum": known}}
    forms = [
        *lines,
        _message({"method": unknown, "params": {"type": "object"}}, ["params"]),
        _message({"id": number, "result": {"anyOf": made_results}}),
        _message({"id": number, "error": failure}),
    ]
    for form in forms[:-2]:
        form["properties"]["id"] = False  # with an id it would be a request
    for form in forms[-2:]:
        form["properties"]["method"] = False
    return {"anyOf": forms, "$defs": parts}


def _testee_hears() -> Schema:
    """Requests by method. Others may come too, and are to be refused."""
    made, parts = _of(messages.REQUESTS.values())
    number = {"type": "integer"}
    forms = [
        _message(
            {"id": number, "method": {"const": method}, "params": params},
            ["params"] if _empty(kind) else (),
        )
        for (method, kind), params in zip(messages.REQUESTS.items(), made, strict=True)
    ]
    unknown = {"type": "string", "not": {"enum": list(messages.REQUESTS)}}
    params = {"type": "object"}
    forms.append(_message({"id": number, "method": unknown, "params": params}, ["params"]))
    return {"anyOf": forms, "$defs": parts}


def _testee_toml() -> Schema:
    (testee, limits, expect, mutant), parts = _of([TesteeTable, Limits, Expect, MutantTable])
    for name, ceiling in CEILINGS.items():
        parts["Limits"]["properties"][name] |= {"exclusiveMinimum": 0, "maximum": ceiling}
    reasons = {"type": "object", "additionalProperties": {"type": "string"}}
    tables = {
        "testee": testee,
        "limits": limits,
        "expect": {"type": "array", "items": expect},
        "mutant": mutant,
        "also_fails": reasons,
        "may_fail": reasons,
    }
    optional = set(tables) - {"testee"}
    return _object(tables, optional, additionalProperties=False) | {"$defs": parts}


def _plain(kind: Any) -> Callable[[], Schema]:
    def made() -> Schema:
        (schema,), parts = _of([kind])
        return {**schema, "$defs": parts}

    return made


def _list_of(kind: Any) -> Callable[[], Schema]:
    return _plain(list[kind])


def _lazily(module: str, name: str, *, many: bool = False) -> Callable[[], Schema]:
    """Of a type in a module that is imported for this alone."""

    def made() -> Schema:
        kind: Any = getattr(import_module(module), name)
        return (_list_of if many else _plain)(kind)()

    return made


def _settings() -> Schema:
    root = click.Context(cli)
    named = {name: cli.get_command(root, name) for name in cli.list_commands(root)}
    return config.schema({name: command for name, command in named.items() if command})


def _ready() -> Schema:
    text, number = {"type": "string"}, {"type": "integer"}
    members = {"ws": text, "rest": text, "admin": text, "seed": number, "pid": number}
    return _object(members, ["admin"])


def _script_moments() -> Schema:
    """Of each line: what happened to a fault, or one that was not seen; with --wait no, the script
    that was started."""
    admin = import_module(_ADMIN)
    made, parts = _of([admin.Moment, admin.RunTold])
    unseen = _object({"id": {"type": "integer"}, "unseen_within_s": {"type": "number"}})
    return {"anyOf": [*made, unseen], "$defs": parts}


_ADMIN = "mockex.server.admin_faults"
_NAMED: dict[str, tuple[str, Callable[[], Schema]]] = {
    "testee-says": ("a line on a testee's stdout: notification or answer", _testee_says),
    "testee-hears": ("a line on a testee's stdin: request", _testee_hears),
    "testee.toml": ("the description of a testee, as TOML", _testee_toml),
    "mockex.toml": ("settings of commands, as TOML", _settings),
    "faults": ("a fault script, as TOML or JSON", script_schema),
    "run.jsonl": ("a line of the record of a run", _plain(Line)),
    "verdict": ("a line of type `verdict` in that record", _plain(CaseVerdict)),
    "journal": ("a line of the recording of one case", _plain(AnyEntry)),
    "result": (
        "conform, judge, replay and report merge with --json",
        _plain(results.RunResult),
    ),
    "diff": ("report diff --json", _lazily("mockex_conformance.report.diff", "Diff")),
    "demo": ("demo --json", _lazily("mockex_conformance.demo", "DemoResult")),
    "explore": ("explore --json", _plain(results.Explored)),
    "cases": ("cases --json", _list_of(results.CaseListed)),
    "cases-explain": ("cases explain --json", _list_of(results.CaseExplained)),
    "try": ("a line of try --json", _lazily("mockex_conformance.conversation", "TryLine")),
    "init": ("init --json", _plain(results.Begun)),
    "schema": ("schema --json", _list_of(results.Named)),
    "doctor": ("doctor --json", _plain(Diagnosis)),
    "settings": (
        "doctor --config --json",
        _lazily("mockex.cli.settings_shown", "SettingsShown"),
    ),
    "record": ("record --json", _lazily("mockex.cli.record", "RecordResult")),
    "ready": ("the line of serve --json", _ready),
    "fault": ("faults add --json", _lazily(_ADMIN, "FaultTold")),
    "faults-list": ("faults list and faults clear --json", _lazily(_ADMIN, "FaultTold", many=True)),
    "faults-check": (
        "faults check --json",
        _lazily("mockex.cli.script_checked", "ScriptChecked"),
    ),
    "faults-run": ("a line of faults run --json", _script_moments),
    "fault-kind": ("faults types KIND --json", _lazily("mockex.faults.catalogue", "Kind")),
    "faults-types": (
        "faults types --json",
        _lazily("mockex.faults.catalogue", "Kind", many=True),
    ),
}


def names() -> dict[str, str]:
    """What there is a schema of, each with a few words."""
    return {name: about for name, (about, _) in _NAMED.items()}


def schema(name: str) -> Schema:
    """The schema of that name.

    Raises:
        ConfigError: there is none; names the nearest, and those that there are.
    """
    if name not in _NAMED:
        near = difflib.get_close_matches(name, _NAMED, n=1)
        hint = f"{near[0]!r} (the nearest), or another of " if near else "one of "
        raise ConfigError("NAME", name, hint + ", ".join(_NAMED))
    about, make = _NAMED[name]
    made = {"$schema": _DIALECT, "title": name, "description": about, **make()}
    return cast("Schema", json.loads(json.dumps(made)))  # tuples among the defaults are arrays


def text(name: str) -> str:
    """The schema of that name as it is published.

    Raises:
        ConfigError: there is none.
    """
    return json.dumps(schema(name), indent=2)


def write_all(folder: Path) -> None:
    """Write every schema into a folder, made if it is not there, as `NAME.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _NAMED:
        file = folder / f"{name}.json"
        with writing(file):
            file.write_text(text(name) + "\n", encoding="utf-8")
