"""On which line of a TOML or JSON source each value stands.

`tomllib` and `json` tell the place of what they cannot read and of nothing else, and no library
that is kept tells it of the rest. So the source, which one of them has read already, is gone
through once more: keys, brackets and strings are all that matters for that, and what is valid needs
no checks.
"""

from __future__ import annotations

import json
import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass, field

Path = tuple[str | int, ...]  # keys and indexes, from the outermost inwards

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_TEXT = re.compile(
    r'"""(?:\\[\s\S]|[^\\])*?"{3,5}'  # up to two of the closing quotes belong to the text
    r"|'''[\s\S]*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_OTHER = re.compile(r"[^,\]}\n#]*")  # numbers, dates, true, null


@dataclass(slots=True)
class Positions:
    """Lines, from 1, by path. `again`: keys of JSON objects that stand there more than once, of
    which a reader takes the last."""

    lines: dict[Path, int] = field(default_factory=dict)
    again: list[tuple[Path, int]] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of a value, or of the nearest thing around it that has one; 0: none has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


def in_json(text: str) -> Positions:
    """Positions in a source that is valid JSON."""
    scan = _Scan(text)
    scan.value(())
    return scan.found


def in_toml(text: str) -> Positions:
    """Positions in a source that is valid TOML."""
    scan = _Scan(text)
    scan.document()
    return scan.found


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._newlines = [found.start() for found in re.finditer("\n", text)]
        self._counts: dict[Path, int] = {}  # of arrays of tables
        self.found = Positions()

    def document(self) -> None:
        """Statements of TOML to the end."""
        base: Path = ()
        while self._next():
            if self._takes("[["):
                path = self._inner(self._key())
                self._counts[path] = self._counts.get(path, 0) + 1
                base = (*path, self._counts[path] - 1)
                self._note_all(base)
                self._takes("]]")
            elif self._takes("["):
                base = self._inner(self._key())
                self._note_all(base)
                self._takes("]")
            else:
                self._pair(base)

    def value(self, path: Path) -> None:
        """A value, with all that is in it."""
        opening = self._next()
        if opening == "[":
            self._at += 1
            index = 0
            while self._next() not in ("]", ""):
                self._note((*path, index))
                self.value((*path, index))
                index += 1
                self._next()
                self._takes(",")
            self._takes("]")
        elif opening == "{":
            self._at += 1
            while self._next() not in ("}", ""):
                self._pair(path)
                self._next()
                self._takes(",")
            self._takes("}")
        elif opening and opening in "\"'":
            self._match(_TEXT)
        else:
            self._match(_OTHER)

    def _pair(self, base: Path) -> None:
        start = self._at
        keys = self._key()
        path = (*base, *keys)
        if len(keys) == 1 and path in self.found.lines:
            self.found.again.append((path, self._line(start)))
        self._note_all(path, start)
        self._next()
        if not (self._takes("=") or self._takes(":")):
            self._at += 1  # no valid source; go on all the same, and to the end
            return
        self.value(path)

    def _key(self) -> Path:
        """A key, or several with dots between."""
        keys: list[str] = []
        while True:
            if self._next() in ("'", '"'):
                keys.append(_unquoted(self._match(_TEXT)))
            else:
                keys.append(self._match(_BARE))
            self._next()
            if not self._takes("."):
                return tuple(keys)

    def _inner(self, keys: Path) -> Path:
        """A path of a header: through arrays of tables it leads into the newest table."""
        path: Path = ()
        for key in keys[:-1]:
            path = (*path, key)
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
        return (*path, keys[-1])

    def _next(self) -> str:
        """The character after blanks and comments; empty at the end."""
        self._match(_BLANK)
        return self._text[self._at : self._at + 1]

    def _takes(self, token: str) -> bool:
        if not self._text.startswith(token, self._at):
            return False
        self._at += len(token)
        return True

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found[0]

    def _note(self, path: Path, at: int | None = None) -> None:
        self.found.lines.setdefault(path, self._line(self._at if at is None else at))

    def _note_all(self, path: Path, at: int | None = None) -> None:
        """Note it with all that it is in, where that is nothing of its own in the source."""
        for depth in range(1, len(path) + 1):
            self._note(path[:depth], at)

    def _line(self, at: int) -> int:
        return bisect_right(self._newlines, at - 1) + 1


def _unquoted(key: str) -> str:
    """A quoted key, as the reader of its language has it."""
    try:
        return str(tomllib.loads(f"k={key}")["k"])
    except tomllib.TOMLDecodeError:  # JSON has two escapes more: \/ and surrogates
        return str(json.loads(key))
