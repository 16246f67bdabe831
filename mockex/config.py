"""Settings that are given neither by a flag nor by the environment: `mockex.toml`.

A table for each command, a table in it for each command of a group (`[faults.add]`); keys are the
names of flags. The nearest file counts, of the working folder and those above it, and it counts
whole: files are not merged. What is in it becomes click's `default_map`, so a flag goes before a
variable, a variable before the file, the file before the default.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.types import FloatParamType, IntParamType

from mockex.errors import ConfigError

if TYPE_CHECKING:
    from mockex.faults.positions import Positions

FILE = "mockex.toml"
PREFIX = "MOCKEX"
Names = tuple[str, ...]  # names of commands, from the outermost inwards


@dataclass(frozen=True, slots=True)
class Settings:
    """A settings file as it was read."""

    file: Path
    tables: dict[str, Any]
    positions: Positions

    def where(self, *keys: str) -> str:
        """`file:line` of what these keys lead to; the last may have `_` where it stands with `-`,
        or the other way round."""
        *path, last = keys
        spellings = ((*path, s) for s in (last, last.replace("-", "_")))
        line = self.positions.line(next((s for s in spellings if s in self.positions.lines), keys))
        return f"{self.file}:{line}" if line else str(self.file)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the value of one setting comes from, flags apart. `where` is a variable, `file:line`,
    or `default`; `variable` the one that would set it."""

    command: str
    key: str
    value: Any
    where: str
    variable: str


# --- the file -------------------------------------------------------------------------------------


def find(folder: Path) -> Path | None:
    """The nearest settings file: in `folder` or above it."""
    for place in (folder, *folder.parents):
        try:
            if (place / FILE).is_file():
                return place / FILE
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:  # so deep that no path leads to a file in it
                raise
    return None


def read(file: Path) -> Settings:
    """Read a settings file. Whether its keys are any is said by `defaults`, which knows a command.

    Raises:
        ConfigError: it is no TOML; names file and line.
        OSError: it cannot be read.
    """
    import tomllib  # with what it needs, only if there is a file

    from mockex.faults.positions import in_toml

    data = file.read_bytes()
    try:
        text = data.decode()
        tables = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}", data[error.start : error.end], "UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        # "(at line 3, column 5)", or "(at end of document)": its attribute came with Python 3.14
        at = re.search(r"at line (\d+)", str(error))
        line = int(at[1]) if at else data.count(b"\n") + 1
        shown = text.splitlines()[line - 1 : line]
        raise ConfigError(f"{file}:{line}", "".join(shown), f"valid TOML ({error})") from None
    return Settings(file, tables, in_toml(text))


def must_be_tables(settings: Settings, commands: Iterable[str]) -> None:
    """Whether everything in the file is a table named after a command.

    Raises:
        ConfigError: something is not; names the nearest.
    """
    for name, value in settings.tables.items():
        _must_be_known(settings, (name,), commands, "a table for each command")
        if not isinstance(value, dict):
            raise ConfigError(settings.where(name), name, f"a table: [{name}]")


def defaults(settings: Settings, path: Names, command: click.Command) -> dict[str, Any]:
    """The table of a command, checked, as click's `default_map` wants it: by parameter, and by
    command below a group.

    Raises:
        ConfigError: a key that is no setting, or a value that cannot be; names file, line, key and
            what would be right.
    """
    table = settings.tables
    for name in path:
        table = table.get(name, {})
    inner = command.commands if isinstance(command, click.Group) else {}
    keys = options(command)
    made: dict[str, Any] = {}
    for name, value in table.items():
        at = (*path, name)
        if name in inner:
            if not isinstance(value, dict):
                raise ConfigError(settings.where(*at), name, f"a table: [{'.'.join(at)}]")
            made[name] = defaults(settings, at, inner[name])
            continue
        spelled = name.replace("_", "-")
        if spelled not in keys:
            _must_be_known(settings, at, [*keys, *inner], f"mockex {' '.join(path)} --help")
        option = keys[spelled]
        if option.name in made:
            raise ConfigError(settings.where(*at), name, f"{spelled!r} once: it is there twice")
        made[option.name or ""] = _checked(settings, at, option, value, command)
    return made


def _must_be_known(settings: Settings, at: Names, known: Iterable[str], otherwise: str) -> None:
    names = sorted(known)
    if at[-1] in names:
        return
    near = difflib.get_close_matches(at[-1].replace("_", "-"), names, n=1)
    hint = f"{near[0]!r}: did you mean that?" if near else f"one that there is: {otherwise}"
    what = f"key in [{'.'.join(at[:-1])}]" if at[:-1] else "table"
    raise ConfigError(f"{settings.where(*at)}: unknown {what}", at[-1], hint)


def _checked(
    settings: Settings, at: Names, option: click.Option, value: Any, command: click.Command
) -> Any:
    """The value, if it is of the type of its option and what that takes; a path in it counts from
    the folder of the file."""
    what = f"{settings.where(*at)}: [{'.'.join(at[:-1])}] {at[-1]}"
    values = value if option.multiple and isinstance(value, list) else [value]
    fits, words = _type_of(option)
    if (option.multiple and not isinstance(value, list)) or not all(map(fits, values)):
        raise ConfigError(what, value, f"a list: each {words}" if option.multiple else words)
    if isinstance(option.type, click.Path) and settings.file.parent != Path.cwd():
        values = [str(settings.file.parent / one) for one in values]
    given = values if option.multiple else values[0]
    try:
        option.type_cast_value(click.Context(command, resilient_parsing=True), given)
    except click.BadParameter as error:
        limits = re.search(r"is not (in the range|one of) (.+?)\.?$", error.message)
        right = " ".join(limits.groups()) if limits else error.message
        raise ConfigError(what, value, right.replace("in the", "a number in the", 1)) from None
    return given


def _type_of(option: click.Option) -> tuple[Any, str]:
    """What a value must be in TOML: the check, and in words."""
    if option.is_flag:
        return (lambda value: isinstance(value, bool)), "true or false"
    if isinstance(option.type, IntParamType):
        return (lambda value: type(value) is int), "a whole number"
    if isinstance(option.type, FloatParamType):
        return (lambda value: type(value) in (int, float)), "a number"
    return (lambda value: isinstance(value, str)), "a text in quotes"


# --- its schema -----------------------------------------------------------------------------------


def schema(commands: Mapping[str, click.Command]) -> dict[str, Any]:
    """JSON Schema of a settings file with these commands."""
    return _object({name: _table_schema(command) for name, command in commands.items()})


def _table_schema(command: click.Command) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, option in options(command).items():
        for spelled in dict.fromkeys((key, key.replace("-", "_"))):
            members[spelled] = _value_schema(option)
    if isinstance(command, click.Group):
        members |= {name: _table_schema(inner) for name, inner in command.commands.items()}
    return _object(members)


def _object(members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": members, "additionalProperties": False}


def _value_schema(option: click.Option) -> dict[str, Any]:
    one: dict[str, Any] = {"type": "string"}
    if option.is_flag:
        one = {"type": "boolean"}
    elif isinstance(option.type, IntParamType | FloatParamType):
        one = {"type": "integer" if isinstance(option.type, IntParamType) else "number"}
        least, most = getattr(option.type, "min", None), getattr(option.type, "max", None)
        open_ = getattr(option.type, "min_open", False)
        one |= {} if least is None else {"exclusiveMinimum" if open_ else "minimum": least}
        one |= {} if most is None else {"maximum": most}
    elif isinstance(option.type, click.Choice) and option.type.case_sensitive:
        one = {"enum": list(option.type.choices)}
    default = option.to_info_dict()["default"]
    if isinstance(default, bool | int | float | str | os.PathLike):
        one["default"] = os.fspath(default) if isinstance(default, os.PathLike) else default
    whole = {"type": "array", "items": one} if option.multiple else one
    return {"description": option.help or "", **whole}


# --- names ----------------------------------------------------------------------------------------


def options(command: click.Command) -> dict[str, click.Option]:
    """The settings of a command by key: the name of the flag, without the dashes."""
    found = {}
    for option in command.params:
        if isinstance(option, click.Option):
            found[max(option.opts, key=len).removeprefix("--")] = option
    return found


def variables(path: Names, option: click.Option) -> list[str]:
    """The environment variables of an option, the one that is looked at first in front."""
    flag = max(option.opts, key=len).removeprefix("--")
    own = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
    words = [PREFIX, *path, flag]
    by_flag = "_".join(words).replace("-", "_").upper()
    return [*own, by_flag] if by_flag not in own else own


def leaves(path: Names, command: click.Command) -> Iterator[tuple[Names, click.Command]]:
    """Every command below this one, itself too."""
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from leaves((*path, name), inner)


def sources(
    settings: Settings | None,
    commands: Iterable[tuple[Names, click.Command]],
    environ: Mapping[str, str],
) -> list[Source]:
    """Where the value of each setting of these commands comes from, flags apart.

    Raises:
        ConfigError: the file says what cannot be.
    """
    found = []
    for path, command in commands:
        table = defaults(settings, path, command) if settings else {}
        for key, option in options(command).items():
            names = variables(path, option)
            given = next((name for name in names if environ.get(name)), None)
            value, where = option.to_info_dict()["default"], "default"
            if given is not None:
                value, where = environ[given], given
            elif settings is not None and option.name in table:
                value, where = table[option.name], settings.where(*path, key)
            if isinstance(value, os.PathLike):
                value = os.fspath(value)
            found.append(Source(" ".join(path), key, value, where, names[-1]))
    return found
