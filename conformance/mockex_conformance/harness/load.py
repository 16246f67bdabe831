"""Reading `testee.toml` (adapter-protocol, section 1) and finding testees by name.

Nothing is guessed: an unknown key, a wrong type or a limit above its ceiling is an error that names
file, line, value and the nearest valid spelling.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from mockex.errors import ConfigError
from mockex.profile import SPOT
from mockex_conformance.description import (
    CEILINGS,
    SPOT_STALL_MS,
    Declared,
    Description,
    Expect,
    Limits,
)
from mockex_conformance.errors import DescriptionError

_NAME = re.compile(r"[a-z0-9-]+")
_ENTRY = re.compile(r"[\w.]+:\w+")
_TABLES = ("testee", "limits", "expect", "mutant", "also_fails", "may_fail")
_SCRIPTS = frozenset((".py", ".js", ".mjs", ".cjs", ".ts", ".rb", ".jar", ".go", ".sh"))
_EXPECTED = ("FAIL", "INCONCLUSIVE", "UNSUPPORTED")
_HEADER = re.compile(r"""^\s*\[\[?\s*["']?([\w.-]+)["']?\s*\]""")


class TesteeTable(Declared, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[testee]`, as it stands in the file."""

    command: list[str]
    entry: str = ""
    build: list[str] = msgspec.field(default_factory=list)
    cwd: str = "."
    env: dict[str, str] = msgspec.field(default_factory=dict)


class MutantTable(msgspec.Struct, forbid_unknown_fields=True):
    must_fail: list[str] = []


def from_command(command: Sequence[str]) -> Description:
    """A testee of level 0 from a command line: every default."""
    name = re.sub(r"[^a-z0-9]+", "-", _program(command).lower()).strip("-") or "testee"
    return Description(name=name, command=list(command), cwd=Path.cwd())


def _program(command: Sequence[str]) -> str:
    """What a command line runs, in a word: the script or module that an interpreter is given, or
    the program itself."""
    for before, word in pairwise(command):
        if before == "-m":
            return word
        if not word.startswith("-") and (Path(word).is_file() or Path(word).suffix in _SCRIPTS):
            return Path(word).stem
    return Path(command[0]).stem


def load(path: Path, *, known_cases: Iterable[str] = ()) -> Description:
    """Read a `testee.toml`, or the one in a folder. `known_cases` are ids and numbers that
    `[[expect]]` may name.

    Raises:
        DescriptionError: it cannot be read or used.
    """
    file = path / "testee.toml" if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DescriptionError(str(file), "file", path.name, f"a readable file ({error})") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # "(at line 3, column 5)", or "(at end of document)": its attribute came with Python 3.14
        at = re.search(r"at line (\d+)", str(error))
        where = f"{file}:{int(at[1]) if at else max(1, len(text.splitlines()))}"
        raise DescriptionError(where, "TOML", path.name, f"valid TOML ({error})") from None
    reader = _Reader(file, text)
    for table in data:
        if table not in _TABLES:
            reader.unknown("", table, _TABLES)
    if "testee" not in data:
        raise DescriptionError(f"{file}:1", "[testee]", None, "a table with name and command")
    testee = reader.convert("testee", data["testee"], TesteeTable)
    limits = reader.convert("limits", data.get("limits", {}), Limits)
    mutant = reader.convert("mutant", data.get("mutant", {}), MutantTable)
    expect = reader.convert("expect", data.get("expect", []), list[dict[str, Any]])
    expect = [reader.convert("expect", item, Expect, n) for n, item in enumerate(expect, 1)]
    also_fails = reader.convert("also_fails", data.get("also_fails", {}), dict[str, str])
    may_fail = reader.convert("may_fail", data.get("may_fail", {}), dict[str, str])
    reader.check(testee, limits, expect)
    known = frozenset(known_cases)
    if known:
        for number, item in enumerate(expect, 1):
            reader.known_case("expect", "case", item.case, known, number)
        for case in mutant.must_fail:
            reader.known_case("mutant", "must_fail", case, known)
        for table, named in (("also_fails", also_fails), ("may_fail", may_fail)):
            for case in named:
                reader.known_case(table, case, case, known)
    values = {f: getattr(testee, f) for f in testee.__struct_fields__ if f != "cwd"}
    return Description(
        **values,
        cwd=(file.parent / testee.cwd).resolve(),
        limits=limits,
        expect=expect,
        must_fail=mutant.must_fail,
        also_fails=also_fails,
        may_fail=may_fail,
        file=file.resolve(),
    )


def _some_of(values: list[str], known: set[str]) -> bool:
    return bool(values) and set(values) <= known and len(set(values)) == len(values)


class _Reader:
    """One file: turns what is wrong with it into an error with a line."""

    def __init__(self, file: Path, text: str) -> None:
        self._file = file
        self._lines = text.splitlines()

    def where(self, table: str, key: str, number: int = 1) -> str:
        """`file:line` of the line that sets `key` in the `number`th table of that name, else of
        that table, else the file. An empty name is the file's own table: its keys are tables."""
        setting = re.compile(rf"""^\s*["']?{re.escape(key)}["']?\s*(=|\.)""")
        current, seen, header_at = "", int(not table), 0
        for at, line in enumerate(self._lines, 1):
            if header := _HEADER.match(line):
                current = header[1]
                seen += current == table
                if (current == table and seen == number) or current == f"{table}.{key}".lstrip("."):
                    header_at = at
            elif current == table and seen == number and setting.match(line):
                return f"{self._file}:{at}"
        return f"{self._file}:{header_at}" if header_at else str(self._file)

    def unknown(self, table: str, key: str, known: Iterable[str], number: int = 1) -> NoReturn:
        """Raise for a key that does not exist."""
        names = sorted(known)
        close = difflib.get_close_matches(key, names, n=1)
        hint = f"{close[0]!r} (the nearest)" if close else "one of " + ", ".join(names)
        raise DescriptionError(self.where(table, key, number), "unknown key", key, hint)

    def known_case(
        self, table: str, key: str, case: str, known: Iterable[str], number: int = 1
    ) -> None:
        """Raise for a case that does not exist."""
        if case in known:
            return
        close = difflib.get_close_matches(case, sorted(known), n=1)
        hint = f"{close[0]!r} (the nearest)" if close else "an id or number of `mockex cases`"
        raise DescriptionError(self.where(table, key, number), key, case, hint)

    def convert(self, table: str, value: Any, kind: Any, number: int = 1) -> Any:
        """`value` of the `number`th table of that name as `kind`."""
        fields = getattr(kind, "__struct_fields__", ())
        if isinstance(value, dict) and fields:
            for key in value:
                if key not in fields:
                    self.unknown(table, key, fields, number)
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            found = re.search(r"`\$\.?(\w*)", str(error)) or re.search(r"field `(\w+)`", str(error))
            key = (found[1] if found else "") or table
            shown = value.get(key) if isinstance(value, dict) else value
            what = str(error).split(" - at ")[0].removeprefix("Expected ")
            raise DescriptionError(self.where(table, key, number), key, shown, what) from None

    def check(self, testee: TesteeTable, limits: Limits, expect: list[Expect]) -> None:
        """What types cannot say."""
        rules: list[tuple[str, Any, bool, str]] = [
            ("name", testee.name, bool(_NAME.fullmatch(testee.name)), "[a-z0-9-]+"),
            ("command", testee.command, bool(testee.command), "a program and its arguments"),
            ("level", testee.level, testee.level in (0, 1, 2), "0, 1 or 2"),
            ("tls", testee.tls, testee.tls in ("never", "either", "always"),
             "'never', 'either' or 'always'"),
            ("max_streams", testee.max_streams, testee.max_streams > 0, "a positive number"),
            ("deliveries_per_stream", testee.deliveries_per_stream,
             testee.deliveries_per_stream > 0, "a positive number"),
            ("entry", testee.entry, not testee.entry or bool(_ENTRY.fullmatch(testee.entry)),
             "'package.module:function'"),
            ("profiles", testee.profiles,
             _some_of(testee.profiles, {"spot", "usdm"}), "'spot', 'usdm', each once"),
            ("modes", testee.modes, _some_of(testee.modes, {"raw", "combined"}),
             "'raw', 'combined', each once"),
            ("streams", testee.streams, all(map(SPOT.well_formed, testee.streams)), "stream names"),
        ]  # fmt: skip
        for key, value, right, expected in rules:
            if not right:
                raise DescriptionError(self.where("testee", key), key, value, expected)
        for name, ceiling in CEILINGS.items():
            value = getattr(limits, name)
            if name == "stall_detect_ms" and "spot" in testee.profiles:
                ceiling = SPOT_STALL_MS
            if value is not None and not 0 < value <= ceiling:
                raise DescriptionError(
                    self.where("limits", name), name, value, f"above 0, at most {ceiling:g}"
                )
        for number, item in enumerate(expect, 1):
            if item.profile and item.profile not in testee.profiles:
                where = self.where("expect", "profile", number)
                raise DescriptionError(where, "profile", item.profile, ", ".join(testee.profiles))
            if item.verdict not in _EXPECTED:
                where = self.where("expect", "verdict", number)
                raise DescriptionError(where, "verdict", item.verdict, ", ".join(_EXPECTED))


def own_testees() -> Path:
    """The folder of the testees that come with the suite: in the wheel, or in a checkout."""
    here = Path(__file__).resolve().parents[1]
    installed = here / "testees"
    return installed if installed.is_dir() else here.parent / "testees"


def _descriptions(folder: Path) -> list[Path]:
    """Every testee.toml in and below a folder, but not in hidden ones: an environment of a
    published client has ten thousand files."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if "testee.toml" in files:
            found.append(Path(place, "testee.toml"))
    return sorted(found)


def own_names() -> list[str]:
    """The names of the testees that come with the suite."""
    return sorted(load(file).name for file in _descriptions(own_testees()))


def find(selector: str, *, known_cases: Iterable[str] = ()) -> list[Description]:
    """Testees by path (file or folder, folders are searched), or of ours by name, folder or glob
    over names.

    Raises:
        ConfigError: nothing of that name.
    """
    known = tuple(known_cases)
    path = Path(selector)
    if path.is_file():
        return [load(path, known_cases=known)]
    if path.is_dir():
        files = _descriptions(path)
        if files:
            return [load(file, known_cases=known) for file in files]
        raise ConfigError("TESTEE", selector, "a folder with a testee.toml in or below it")
    ours = {load(file).name: file for file in _descriptions(own_testees())}
    named = [file for name, file in ours.items() if fnmatchcase(name, selector)]
    if named:
        return [load(file, known_cases=known) for file in named]
    folder = own_testees() / selector
    if folder.is_dir():
        return find(str(folder), known_cases=known)
    close = difflib.get_close_matches(selector, list(ours), n=3)
    nearest = f"; nearest: {', '.join(close)}" if close else ""
    raise ConfigError(
        "TESTEE", selector, f"a testee.toml, a folder with one, or one of ours{nearest}"
    )


def find_all(selectors: Sequence[str], *, known_cases: Iterable[str] = ()) -> list[Description]:
    """Testees of several selectors; each name once.

    Raises:
        ConfigError: two different testees of one name.
    """
    found: dict[str, Description] = {}
    for selector in selectors:
        for testee in find(selector, known_cases=known_cases):
            other = found.setdefault(testee.name, testee)
            if other.file != testee.file:
                raise ConfigError(
                    "TESTEE", testee.name, f"each name once; it is in {other.file} too"
                )
    return list(found.values())
