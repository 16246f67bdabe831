"""Reading `testee.toml` (adapter-protocol, section 1) and finding testees by name.

Nothing is guessed: an unknown key, a wrong type or a limit above its ceiling is an error that names
file, line, value and the nearest valid spelling.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mockex.errors import ConfigError
from mockex_conformance.description import CEILINGS, Description, Expect, Limits
from mockex_conformance.errors import DescriptionError

_NAME = re.compile(r"[a-z0-9-]+")
_ENTRY = re.compile(r"[\w.]+:\w+")
_TABLES = ("testee", "limits", "expect", "mutant", "also_fails", "may_fail")


class _Testee(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    command: list[str]
    version: str = ""
    entry: str = ""
    build: list[str] = []
    cwd: str = "."
    level: int = 0
    profiles: list[str] = msgspec.field(default_factory=lambda: ["spot", "usdm"])
    modes: list[str] = msgspec.field(default_factory=lambda: ["combined"])
    streams: list[str] = []
    max_streams: int = 1024
    keeps_books: bool = False
    tls: str = "either"
    deliveries_per_stream: int = 1
    scales_time: bool = False
    renews: bool = False
    home: str = ""
    env: dict[str, str] = {}


class _Mutant(msgspec.Struct, forbid_unknown_fields=True):
    must_fail: list[str] = []


def from_command(command: Sequence[str]) -> Description:
    """A testee of level 0 from a command line: every default."""
    stem = re.sub(r"[^a-z0-9]+", "-", Path(command[-1]).stem.lower()).strip("-") or "testee"
    return Description(name=stem, command=list(command), cwd=Path.cwd())


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
        raise DescriptionError(str(file), "TOML", path.name, f"valid TOML ({error})") from None
    reader = _Reader(file, text)
    for table in data:
        if table not in _TABLES:
            reader.unknown(table, _TABLES)
    if "testee" not in data:
        raise DescriptionError(f"{file}:1", "[testee]", None, "a table with name and command")
    testee = reader.convert("testee", data["testee"], _Testee)
    limits = reader.convert("limits", data.get("limits", {}), Limits)
    mutant = reader.convert("mutant", data.get("mutant", {}), _Mutant)
    expect = [reader.convert("expect", item, Expect) for item in data.get("expect", [])]
    reader.check(testee, limits, expect, frozenset(known_cases))
    values = {f: getattr(testee, f) for f in testee.__struct_fields__ if f != "cwd"}
    return Description(
        **values,
        cwd=(file.parent / testee.cwd).resolve(),
        limits=limits,
        expect=expect,
        must_fail=mutant.must_fail,
        also_fails=reader.convert("also_fails", data.get("also_fails", {}), dict[str, str]),
        may_fail=reader.convert("may_fail", data.get("may_fail", {}), dict[str, str]),
        file=file.resolve(),
    )


class _Reader:
    """One file: turns what is wrong with it into an error with a line."""

    def __init__(self, file: Path, text: str) -> None:
        self._file = file
        self._lines = text.splitlines()

    def where(self, key: str) -> str:
        """`file:line` of the first line that sets `key`."""
        pattern = re.compile(rf"""^\s*\[*\s*["']?{re.escape(key)}["']?\s*(=|\]|\.)""")
        for number, line in enumerate(self._lines, 1):
            if pattern.match(line):
                return f"{self._file}:{number}"
        return str(self._file)

    def unknown(self, key: str, known: Iterable[str]) -> None:
        """Raise for a key that does not exist."""
        names = sorted(known)
        close = difflib.get_close_matches(key, names, n=1)
        hint = f"{close[0]!r} (the nearest)" if close else "one of " + ", ".join(names)
        raise DescriptionError(self.where(key), "unknown key", key, hint)

    def convert(self, table: str, value: Any, kind: Any) -> Any:
        """`value` as `kind`."""
        fields = getattr(kind, "__struct_fields__", ())
        if isinstance(value, dict) and fields:
            for key in value:
                if key not in fields:
                    self.unknown(key, fields)
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            found = re.search(r"`\$\.?(\w*)", str(error)) or re.search(r"field `(\w+)`", str(error))
            key = (found[1] if found else "") or table
            shown = value.get(key) if isinstance(value, dict) else value
            what = str(error).split(" - at ")[0]
            raise DescriptionError(self.where(key), key, shown, what) from None

    def check(
        self, testee: _Testee, limits: Limits, expect: list[Expect], known_cases: frozenset[str]
    ) -> None:
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
             bool(testee.profiles) and set(testee.profiles) <= {"spot", "usdm"}, "'spot', 'usdm'"),
            ("modes", testee.modes, bool(testee.modes) and set(testee.modes) <= {"raw", "combined"},
             "'raw', 'combined'"),
        ]  # fmt: skip
        for key, value, right, expected in rules:
            if not right:
                raise DescriptionError(self.where(key), key, value, expected)
        for name, ceiling in CEILINGS.items():
            value = getattr(limits, name)
            if value is not None and not 0 < value <= ceiling:
                raise DescriptionError(
                    self.where(name), name, value, f"above 0, at most {ceiling:g}"
                )
        for item in expect:
            if known_cases and item.case not in known_cases:
                close = difflib.get_close_matches(item.case, sorted(known_cases), n=1)
                hint = f"{close[0]!r} (the nearest)" if close else "an id of `mockex cases`"
                raise DescriptionError(self.where("case"), "case", item.case, hint)
            if item.verdict not in ("FAIL", "INCONCLUSIVE", "UNSUPPORTED"):
                raise DescriptionError(
                    self.where("verdict"),
                    "verdict",
                    item.verdict,
                    "FAIL, INCONCLUSIVE, UNSUPPORTED",
                )


def own_testees() -> Path:
    """The folder of the testees that come with the suite: in the wheel, or in a checkout."""
    here = Path(__file__).resolve().parents[1]
    installed = here / "testees"
    return installed if installed.is_dir() else here.parent / "testees"


def find(selector: str, *, known_cases: Iterable[str] = ()) -> list[Description]:
    """Testees by path (file or folder, folders are searched), or by the name of one of ours.

    Raises:
        ConfigError: nothing of that name.
    """
    known = tuple(known_cases)
    path = Path(selector)
    if path.is_file():
        return [load(path, known_cases=known)]
    if path.is_dir():
        files = sorted(path.rglob("testee.toml"))
        if files:
            return [load(file, known_cases=known) for file in files]
        raise ConfigError("TESTEE", selector, "a folder with a testee.toml in or below it")
    ours = {load(f, known_cases=known).name: f for f in sorted(own_testees().rglob("testee.toml"))}
    if selector in ours:
        return [load(ours[selector], known_cases=known)]
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
