"""The kinds of faults as data, read off the dataclasses themselves: names, fields, units, docs.

What is written outside Python (scripts, the admin API, the command line) names a fault and its
fields as text. Here that becomes a value, by the types and the checks of the dataclass, or a list
of what is wrong with it.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_type_hints

import msgspec

from mockex import faults
from mockex.faults.link import Direction, LastingFault, LinkFault
from mockex.faults.model import Fault
from mockex.faults.trigger import Trigger

_HUGE = 1e15
BOTH = "both"  # a direction that is None, where there is no null
NONE = "none"  # any other
_UNITS = ((r"(.*_)?ms", "ms"), (r"(.*_)?bytes_per_s", "bytes/s"), (r"(.*_)?bytes", "bytes"),
          (r".*_per_s", "1/s"))  # fmt: skip
_COMMON = {
    "stream": "the connections that deliver it; for requests, those that name it",
    "connection": "the number of the one that is meant",
}
_BASES = (Fault, LinkFault)
# Those that are on until somebody ends them; the others are over by themselves.
LASTING: tuple[type[Fault], ...] = (
    faults.Stall,
    faults.QuietStart,
    faults.SilentStream,
    faults.NeverAccept,
    *get_args(LastingFault),
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a kind. `type` and `default` as they are written in a script, `default` None
    where there is none; `unit` is empty where it counts or names something."""

    name: str
    type: str
    required: bool
    default: Any = None
    unit: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. `name` is that of its class, `spelled` the same in kebab case."""

    name: str
    spelled: str
    about: str
    on_link: bool
    lasts: bool
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with one key of a fault, and what would be right. `key` empty: with all."""

    key: str
    why: str


class NoSuchFault(ValueError):
    """No fault has that name."""


def kebab(name: str) -> str:
    """`ResetLink` as `reset-link`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


@cache
def classes() -> dict[str, type[Fault]]:
    """Every fault that there is, by the name of its class, in alphabetical order."""
    found = (getattr(faults, name) for name in faults.__all__)
    kinds = [k for k in found if isinstance(k, type) and issubclass(k, Fault) and k not in _BASES]
    return {kind.__name__: kind for kind in sorted(kinds, key=lambda k: k.__name__)}


def class_named(name: str) -> type[Fault]:
    """The fault of that name: `ResetLink` or `reset-link`.

    Raises:
        NoSuchFault: there is none; names the nearest.
    """
    known = classes()
    spelled = {kebab(kind): kind for kind in known}
    if name in known or name in spelled:
        return known[spelled.get(name, name)]
    near = nearest(kebab(name.replace("_", "-")), spelled)
    if near is None:
        raise NoSuchFault(f"{name!r} is no fault; `mockex faults types` lists them")
    meant = near if name.islower() else spelled[near]
    raise NoSuchFault(f"{name!r} is no fault, nearest is {meant!r}")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that was perhaps meant."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


@cache
def kinds() -> tuple[Kind, ...]:
    """All of them, described."""
    return tuple(_described(kind) for kind in classes().values())


def hints(kind: type[Fault]) -> Mapping[str, Any]:
    """The fields that are written, with their types: all but `when`, the kind's own first."""
    return _hints(kind.__name__)


@cache
def _hints(name: str) -> Mapping[str, Any]:
    kind = classes()[name]
    found = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind) if field.name != "when"]
    return {name: found[name] for name in sorted(names, key=lambda name: name in _COMMON)}


def may_be_none(hint: Any) -> bool:
    """Whether None is one of its values."""
    return NoneType in get_args(hint)


def word_for_none(hint: Any) -> str:
    """How None is written where there is no null: TOML and the command line."""
    return BOTH if Direction in get_args(hint) else NONE


def make(
    kind: type[Fault],
    given: Mapping[str, Any],
    *,
    when: Trigger | None = None,
    others: Iterable[str] = (),
) -> Fault | list[Wrong]:
    """The fault with these fields, or all that is wrong with them.

    A field that may be None also takes the word `none`, a direction `both`. `others` are names that
    may stand beside the fields, and may have been meant.
    """
    known = hints(kind)
    values: dict[str, Any] = {}
    wrong = [Wrong(name, _no_field(kind, name, others)) for name in given if name not in known]
    for name in [name for name in given if name in known]:
        try:
            values[name] = _converted(known[name], given[name])
        except ValueError:
            expected = written(known[name])
            wrong.append(Wrong(name, f"{shown(given[name])} is not usable, expected {expected}"))
    if len(wrong) == sum(name in known for name in given) - len(values):  # none is misspelt
        wrong += [
            Wrong("", f"{kind.__name__} needs {f.name}, {written(known[f.name])}")
            for f in _required(kind)
            if f.name not in given
        ]
    if wrong:
        return wrong
    if when is not None:
        values["when"] = when
    try:
        return kind(**values)
    except ValueError as error:
        named = next((name for name in given if re.match(rf"\W?{name}\b", str(error))), "")
        return [Wrong(named, str(error))]


def value_of_text(hint: Any, text: str) -> Any:
    """What `text` stands for in a field of that type; itself if it stands for nothing else."""
    options = get_args(hint) or (hint,)
    if getattr(hint, "__origin__", None) is Literal:
        return text
    if not _is_table(hint) and (str in options or Direction in options):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def fields_of(fault: Fault) -> dict[str, Any]:
    """The fields of a fault that differ from their defaults, as they are written in JSON."""
    told = {}
    for field in dataclasses.fields(fault):
        value = getattr(fault, field.name)
        if field.name != "when" and value != _default(field):
            told[field.name] = msgspec.to_builtins(value)
    return told


def written(hint: Any) -> str:
    """A type in words, as one who writes a script needs it."""
    options = [option for option in get_args(hint) or (hint,) if option is not NoneType]
    if hint is Direction or Direction in options:
        words = [repr(str(d)) for d in Direction] + ([repr(BOTH)] if may_be_none(hint) else [])
        return " or ".join(words)
    if getattr(hint, "__origin__", None) is Literal:
        return " or ".join(repr(option) for option in options)
    if _is_table(hint):
        return "a table of texts"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return " or ".join(names[option] for option in options)


def _is_table(hint: Any) -> bool:
    return getattr(hint, "__origin__", None) is Mapping


def shown(value: object) -> str:
    """A value in a message, as it is written in a script, cut if it is long."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def _converted(hint: Any, value: Any) -> Any:
    """A value of that type. Raises ValueError for another one, and for what no clock, socket or
    journal could take: endless and huge numbers, halves of characters."""
    if may_be_none(hint) and str not in get_args(hint) and value == word_for_none(hint):
        return None
    if isinstance(value, int | float) and not -_HUGE < value < _HUGE:
        raise ValueError("too large")
    json.dumps(value, ensure_ascii=False).encode()
    return msgspec.convert(value, hint)


def _no_field(kind: type[Fault], name: str, others: Iterable[str]) -> str:
    near = nearest(name, [*hints(kind), *others])
    hint = f", nearest is {near!r}" if near else ""
    has = ", ".join(hints(kind))
    return f"{kind.__name__} has no field {name!r}{hint}; it has {has}"


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _required(kind: type[Fault]) -> list[dataclasses.Field[Any]]:
    return [
        f for f in dataclasses.fields(kind)
        if f.default is MISSING and f.default_factory is MISSING
    ]  # fmt: skip


def _described(kind: type[Fault]) -> Kind:
    own = {field.name: field for field in dataclasses.fields(kind)}
    required = {field.name for field in _required(kind)}
    described = []
    for name, hint in hints(kind).items():
        default = None if name in required else _default(own[name])
        if default is None and name not in required and str not in get_args(hint):
            default = word_for_none(hint)
        unit = next((unit for pattern, unit in _UNITS if re.fullmatch(pattern, name)), "")
        about = _COMMON.get(name, "")
        builtin = msgspec.to_builtins(default)
        described.append(Field(name, written(hint), name in required, builtin, unit, about))
    about = " ".join((kind.__doc__ or "").split())
    return Kind(
        kind.__name__,
        kebab(kind.__name__),
        about,
        issubclass(kind, LinkFault),
        kind in LASTING,
        tuple(described),
    )
