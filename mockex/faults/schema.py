"""JSON Schema of what names faults outside Python: a script, and one fault of the admin API.

Made of the types that the values themselves have. A schema says what types can say; what else holds
is said when a script is read.
"""

from __future__ import annotations

from typing import Any

import msgspec

from mockex.faults.catalogue import (
    Field,
    Kind,
    class_named,
    hints,
    kinds,
    may_be_none,
    word_for_none,
)
from mockex.faults.script import KEYS, WHENS

Schema = dict[str, Any]

_TIME = "^([0-9]{1,12}(\\.[0-9]{1,9})?(ms|s|m|h))+$"
_EVENTS = {
    "type": "object",
    "properties": {
        "events": {"type": "integer", "minimum": 1},
        "stream": {"type": "string", "minLength": 1},
    },
    "required": ["events"],
    "additionalProperties": False,
}
_ABOUT = {
    "at": "So long after the start of the script.",
    "every": "Every so often, the first time after one such time.",
    "after": "So long, or so many events of a live delivery, after the step before it; the first "
    "step counts from the start.",
    "jitter": "Each time is drawn so much before or after, by the seed.",
    "until": "Since the start: with `every` the end of the repetition, with `at` the end of a "
    "fault that lasts.",
    "for": "A fault that lasts is ended after so long.",
}


def script_schema() -> Schema:
    """What a script may say, as TOML or JSON."""
    time = {"type": "string", "pattern": _TIME, "examples": ["5s", "500ms", "1m30s"]}
    shared: Schema = {key: {**time, "description": about} for key, about in _ABOUT.items()}
    shared["after"] = {"description": _ABOUT["after"], "anyOf": [time, _EVENTS]}
    keys = {key: {"$ref": f"#/$defs/{key}"} for key in shared}
    whens = {"oneOf": [{"required": [when]} for when in WHENS]}
    steps = {kind.name: _named(kind, keys) | whens for kind in kinds()}
    return {
        "type": "object",
        "properties": {
            "seed": {"type": "integer", "default": 0, "description": "Of all that is drawn."},
            "fault": {
                "type": "array",
                "minItems": 1,
                "items": {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in steps]},
            },
        },
        "required": ["fault"],
        "additionalProperties": False,
        "$defs": shared | steps,
    }


def fault_schema() -> Schema:
    """One fault, with its trigger, as the admin API takes it."""
    when = {
        "description": "When, instead of at once.",
        "type": "object",
        "properties": {
            "after": {"type": "integer", "minimum": 1, "description": "So many events."},
            "every": {"type": "string", "pattern": _TIME},
            "times": {"type": "integer", "minimum": 1},
        },
        "additionalProperties": False,
    }
    return {"anyOf": [_named(kind, {"when": when}) for kind in kinds()]}


def _named(kind: Kind, others: Schema) -> Schema:
    """A kind of fault: its fields, and beside them `others`."""
    types = hints(class_named(kind.name))
    fields = {field.name: _field(field, types[field.name]) for field in kind.fields}
    name = {"enum": [kind.name, kind.spelled]}
    assert not set(fields) & {*KEYS, "when"}
    return {
        "type": "object",
        "description": kind.about,
        "properties": {"fault": name, **fields, **others},
        "required": ["fault", *(field.name for field in kind.fields if field.required)],
        "additionalProperties": False,
    }


def _field(field: Field, hint: Any) -> Schema:
    (made,), parts = msgspec.json.schema_components([hint], ref_template="{name}")
    schema = _inlined(made, parts)
    if may_be_none(hint) and {"type": "string"} not in schema.get("anyOf", ()):
        schema["anyOf"].append({"const": word_for_none(hint)})
    if field.about or field.unit:
        schema["description"] = ", ".join(part for part in (field.about, field.unit) if part)
    if not field.required and field.default is not None:
        schema["default"] = field.default
    return schema


def _inlined(schema: Schema, parts: dict[str, Schema]) -> Schema:
    """Without references: the types of fields are small."""
    if "$ref" in schema:
        return {"enum": parts[schema["$ref"]]["enum"]}
    if "anyOf" in schema:
        return {"anyOf": [_inlined(option, parts) for option in schema["anyOf"]]}
    return schema
