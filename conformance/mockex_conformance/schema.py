"""JSON Schema of what programs exchange with us, made of the types that we parse with ourselves.

Dialect 2020-12. A schema says what types can say; what else holds is in the page it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from mockex.doctor.answer import Diagnosis
from mockex.errors import ConfigError
from mockex.faults.schema import script_schema
from mockex.server.journal import AnyEntry
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


_NAMED: dict[str, tuple[str, Callable[[], Schema]]] = {
    "testee-says": ("a line on a testee's stdout: notification or answer", _testee_says),
    "testee-hears": ("a line on a testee's stdin: request", _testee_hears),
    "testee.toml": ("the description of a testee, as TOML", _testee_toml),
    "run.jsonl": ("a line of the record of a run", _plain(Line)),
    "verdict": ("a line of type `verdict` in that record", _plain(CaseVerdict)),
    "journal": ("a line of the recording of one case", _plain(AnyEntry)),
    "faults": ("a fault script, as TOML or JSON", script_schema),
    "doctor": ("what `mockex doctor --json` prints", _plain(Diagnosis)),
}


def names() -> dict[str, str]:
    """What there is a schema of, each with a few words."""
    return {name: about for name, (about, _) in _NAMED.items()}


def schema(name: str) -> Schema:
    """The schema of that name.

    Raises:
        ConfigError: there is none; names those that there are.
    """
    if name not in _NAMED:
        raise ConfigError("NAME", name, "one of " + ", ".join(_NAMED))
    about, make = _NAMED[name]
    return {"$schema": _DIALECT, "title": name, "description": about, **make()}
