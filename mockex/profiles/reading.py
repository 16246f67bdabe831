"""Profile files: TOML into values of the fields of a dataclass, with errors that name the line.

A file is flat: each key is a field, each table of the file a field that is a mapping or a dataclass
of its own. A value is written plainly, or with where it comes from:

    ping_interval_s = 5
    ping_interval_s = { value = 20, from = "spot-3.1.1", label = "D", date = "2025-02-03" }

`"off"` is None. A file with a `base` (a shipped name, or a path from where the file lies) is laid
over it: a plain value is replaced; a table is laid over the table of the base, entry by entry.
TOML's parser tells no positions of what it accepts, so a line is looked for only when an error
needs it: the first line with which the entry is there (`line_of`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from string import Formatter
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from mockex.errors import ConfigError

T = TypeVar("T")
Key = tuple[str | int, ...]
OFF = "off"
_LABELS = ("D", "O", "I")
_ENDLESS = 1_000_000_000  # a bound that only keeps out the infinite is not worth a word
_MEMBERS = ("value", "from", "label", "date", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value comes from: ids of rules (`docs/fidelity.md`); D documented, O observed, I our
    choice; since when it is so, or when it was read, as far as the date is known."""

    rules: tuple[str, ...]
    label: str
    date: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """One file as it was written: plain values, and the origin of each that has one."""

    path: Path
    text: str
    base: str | None
    values: dict[str, Any]
    origins: Mapping[Key, Origin]

    def wrong(self, key: Key, what: str, value: object, expected: str) -> ConfigError:
        """An error about the entry at `key`."""
        return ConfigError(f"{self.path}, line {line_of(self.text, key)}: {what}", value, expected)


def nearest(word: str, known: Iterable[str]) -> str:
    """The nearest one, or all there are if nothing is near and they are few."""
    from difflib import get_close_matches  # only errors need it: a millisecond of each start

    known = sorted(known)
    found = get_close_matches(word, known, n=1, cutoff=0.5)
    if found:
        return f"{found[0]}, the nearest there is"
    if len(known) > 30:
        return f"one of {len(known)}; nothing is near it, docs/fidelity.md has a list"
    return "one of " + ", ".join(known)


def line_of(text: str, key: Key) -> int:
    """The line, from 1, where the entry at `key` begins; of the nearest entry around it if it has
    no line of its own."""
    lines = text.splitlines()
    begins = 1
    for count in range(1, len(lines) + 1):
        try:
            inner: Any = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue  # ends within a text or list of several lines
        if _holds(inner, key):
            return begins
        begins = count + 1
    return line_of(text, key[:-1]) if len(key) > 1 else 1


def _holds(inner: Any, key: Key) -> bool:
    for part in key:
        try:
            inner = inner[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def parse(path: Path) -> Parsed:
    """Read one file, without its base.

    Raises:
        ConfigError: no such file, not UTF-8, no TOML, or an origin that is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as bad:
        raise ConfigError("profile file", str(path), f"a file ({bad.strerror})") from None
    except UnicodeDecodeError as bad:
        line = bad.object[: bad.start].count(b"\n") + 1
        byte = bad.object[bad.start : bad.start + 1]
        raise ConfigError(f"{path}, line {line}: text", byte, "UTF-8") from None
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError as bad:
        raise _no_toml(path, text, str(bad)) from None
    except RecursionError:
        raise ConfigError(f"{path}", "lists in lists", "TOML (nested less deeply)") from None
    base = written.pop("base", None)
    origins: dict[Key, Origin] = {}
    parsed = Parsed(path, text, base, {}, origins)
    if base is not None and not isinstance(base, str):
        raise parsed.wrong(("base",), "base", base, "the name of a profile, or a path")
    for name, value in written.items():
        parsed.values[name] = _plain(parsed, (name,), value, origins)
    return parsed


def _no_toml(path: Path, text: str, why: str) -> ConfigError:
    """`why` ends with `(at line 3, column 7)` or `(at end of document)`."""
    reason, _, at = why.partition(" (at ")
    number = at.removeprefix("line ").partition(",")[0]
    lines = text.splitlines()
    line = int(number) if number.isdigit() else len(lines)
    return ConfigError(f"{path}, line {line}", "".join(lines[line - 1 : line]), f"TOML ({reason})")


def _plain(parsed: Parsed, key: Key, value: Any, origins: dict[Key, Origin]) -> Any:
    """`value` without its origin; that one goes to `origins`."""
    if not isinstance(value, dict):
        return None if value == OFF else value
    if not any(part in _MEMBERS for part in value):
        return {part: _plain(parsed, (*key, part), inner, origins) for part, inner in value.items()}
    for part, inner in value.items():
        if part not in _MEMBERS:
            raise parsed.wrong((*key, part), f"{key[-1]}", part, nearest(part, _MEMBERS))
        if part == "label" and inner not in _LABELS:
            raise parsed.wrong((*key, part), "label", inner, "D, O or I")
    if "value" not in value:
        raise parsed.wrong(key, f"{key[-1]}", value, "a value beside where it is from")
    rules = value.get("from", ())
    if not isinstance(rules, str | list | tuple):
        raise parsed.wrong((*key, "from"), "from", rules, "the id of a rule, or a list of them")
    origins[key] = Origin(
        rules=(rules,) if isinstance(rules, str) else tuple(map(str, rules)),
        label=value.get("label", "I"),
        date=str(value.get("date", "")),
        note=str(value.get("note", "")),
    )
    return None if value["value"] == OFF else value["value"]


def laid_over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `base` with those of `top`; entries of a table that are off are gone."""
    made = dict(base)
    for name, value in top.items():
        if isinstance(value, dict) and isinstance(base.get(name, {}), dict):
            entries = {**base.get(name, {}), **value}
            made[name] = {part: inner for part, inner in entries.items() if inner is not None}
        else:
            made[name] = value
    return made


def check(parsed: Parsed, hints: Mapping[str, Any], shipped: Mapping[str, Any]) -> None:
    """Hold each value of a file against the type of its name, and what a text has in braces against
    the text that it stands for.

    Raises:
        ConfigError: a name that there is not, or a value that its type does not allow.
    """

    def wrong(key: Key, value: object, expected: str) -> ConfigError:
        name = ".".join(f'"{part}"' if "@" in str(part) else str(part) for part in key)
        return parsed.wrong(key, name, OFF if value is None else value, expected)

    for name, value in parsed.values.items():
        if name not in hints:
            what = "table" if isinstance(value, dict) else "setting"
            raise parsed.wrong((name,), what, name, nearest(name, hints))
        check_value(hints[name], value, (name,), wrong)
        if hints[name] is str:
            _check_braces(value, shipped[name], (name,), wrong)
        elif is_dataclass(hints[name]):
            for part, text in value.items():
                _check_braces(text, shipped[name][part], (name, part), wrong)


def _check_braces(
    text: str, shipped: str, key: Key, wrong: Callable[[Key, object, str], ConfigError]
) -> None:
    """What stands in braces is filled in by whoever sends the text, so it must be known there."""
    known = {name for _, name, _, _ in Formatter().parse(shipped) if name is not None}
    try:
        plain = all(
            name is None or (name in known and not spec and conversion is None)
            for _, name, spec, conversion in Formatter().parse(text)
        )
    except ValueError:  # a brace without its other one
        plain = False
    if not plain:
        may_be = ", ".join(f"{{{name}}}" for name in sorted(known)) or "nothing"
        raise wrong(key, text, f"in braces {may_be}; {{{{ and }}}} for braces themselves")


def convert(value: object, kind: type[T]) -> T:
    """`value` as a `kind`, with everything in it.

    Raises:
        msgspec.ValidationError: it cannot be.
    """
    return msgspec.convert(value, kind, dec_hook=_pattern)


def _pattern(kind: Any, value: Any) -> Any:
    if get_origin(kind) is not re.Pattern:
        raise NotImplementedError(kind)
    try:
        return re.compile(value)
    except (re.error, TypeError) as bad:
        raise ValueError(str(bad)) from None


def check_value(
    hint: Any, value: Any, key: Key, wrong: Callable[[Key, object, str], ConfigError]
) -> None:
    """Hold one value against its type, entry by entry where it is a table.

    Raises:
        ConfigError: made by `wrong` from where it is, the value, and what would be right.
    """
    if isinstance(value, Mapping) and get_origin(hint) is Mapping:
        of_key, of_value = get_args(hint)
        for part, inner in value.items():
            if isinstance(of_key, type) and issubclass(of_key, Enum):
                known = [member.value for member in of_key]
                if part not in known:
                    raise wrong((*key, part), part, nearest(part, known))
            if inner is not None:
                check_value(of_value, inner, (*key, part), wrong)
    elif isinstance(value, Mapping) and is_dataclass(hint):
        hints = get_type_hints(hint, include_extras=True)
        for part, inner in value.items():
            if part not in hints:
                raise wrong((*key, part), part, nearest(part, hints))
            check_value(hints[part], inner, (*key, part), wrong)
    else:
        try:
            convert(value, hint)
        except msgspec.ValidationError:
            raise wrong(key, value, describe(hint)) from None


def describe(hint: Any) -> str:
    """What a value of this type looks like in a file."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        (meta,) = (m for m in arguments[1:] if isinstance(m, msgspec.Meta))
        above = f" above {meta.gt}" if meta.gt is not None else ""
        least = f" of at least {meta.ge}" if meta.ge is not None else ""
        bounded = meta.le is not None and meta.le < _ENDLESS
        most = f", at most {meta.le}" if bounded else ""
        return describe(arguments[0]) + above + least + most
    if origin in (Union, UnionType):
        return " or ".join(describe(argument) for argument in arguments)
    if origin is Literal:
        return " or ".join(str(a) if isinstance(a, int) else f'"{a}"' for a in arguments)
    if origin is Mapping:
        return "a table"
    if origin is tuple and Ellipsis not in arguments:
        return "[" + ", ".join(describe(argument) for argument in arguments) + "]"
    if origin is re.Pattern:
        return "a regular expression"
    if origin in (tuple, frozenset, list):
        return f"a list, each {describe(arguments[0])}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "one of " + ", ".join(f'"{member.value}"' for member in hint)
    if is_dataclass(hint):
        return "a table with " + ", ".join(field.name for field in fields(hint))
    names = {
        float: "a number", int: "a whole number", str: "a text", bool: "true or false",
        NoneType: f'"{OFF}"',
    }  # fmt: skip
    return names.get(hint, str(hint))
