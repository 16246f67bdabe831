"""Taking secrets out of text that goes to somebody else.

Three nets, one behind the other. What is *named*: a value behind `apiKey`, `--token`, `Cookie:`, in
a URL, in JSON as deep as it goes, also in JSON that is a text in JSON. What *looks like* a key:
words of sixteen characters and more that change between small letters, capitals and digits as no
word of a language does, and whatever is longer than any word. What is *known*: values that the
environment holds under such names, wherever they stand. Too much is taken rather than too little:
whoever reads a bug report misses a digest less than its writer a key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import quote

REMOVED = "[removed]"
_NAMING = (  # what a name has in it
    r"(?i:secret|token|passw(?:or)?d|passphrase|pwd|api[-_ ]?key|listen[-_ ]?key|private[-_ ]?key"
    r"|access[-_ ]?key|signature|api[-_]?sign|credential|authorization|cookie|session[-_ ]?id"
    r"|bearer|jwt)"
)
_IS_SECRET = re.compile(_NAMING)
_NAME = rf"{_NAMING}[\w.-]{{0,40}}"
# A value in quotes may have a type around it, as in `Some("…")`, and may lack its end where a line
# was cut.
_TYPE = r"[\w.:&*]{0,30}[(\[{]{0,3}\w{0,10}\)?\s?"
_QUOTED = rf"""(?:{_TYPE}(?:"(?:\\.|[^"\\])*(?:"|$)|'(?:\\.|[^'\\])*(?:'|$)))"""
_VALUE = rf"""(?:{_QUOTED}|(?:\[removed\]|[^\s"'&,;)\]}}<])+)"""
_SCHEME = r"(?:(?i:bearer|basic|digest|token)\s+)?"
_IS = r"""(?:\\?["']?\s*(?:[:=>]|%3[Dd]|=>)\s*\\?|["']\s*,\s*(?=b?["']))"""

# A line that begins as an object and is none: nobody knows where a secret in it ends.
_OBJECT = re.compile(rf"(?m)(?P<before>^\s*\{{[^\r\n]*?{_NAMING})[^\r\n]*")
_LINE = re.compile(rf"(?m)^(?P<before>\s*(?:export\s+)?[\w.-]{{0,40}}?{_NAME}\s*[:=]\s*)\S[^\r\n]*")
_NAMED = re.compile(rf"(?P<before>{_NAME}{_IS})(?P<value>{_SCHEME}{_VALUE})")
_ELEMENT = re.compile(rf"(?P<before><[\w.:-]{{0,40}}?{_NAME}>)[^<]+")
_FLAG = re.compile(rf"(?P<before>(?<![\w-])--?[\w-]{{0,40}}?{_NAME}\s+)(?P<value>(?!-){_VALUE})")
_BEARER = re.compile(r"(?P<before>\b(?i:bearer|basic)\s+)[\w.~+/=-]{6,}")
_USERINFO = re.compile(r"(?P<before>\b[a-zA-Z][\w+.-]{1,20}://)[^\s/?#\"'<>]{1,400}(?=@)")
_NAMED_ONES = (_USERINFO, _OBJECT, _LINE, _ELEMENT, _NAMED, _FLAG, _BEARER)

_BLOCK = re.compile(r"(?P<before>)-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)", re.S)
_UUID = re.compile(r"(?P<before>)\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_MARKED = re.compile(  # by who hands them out; the last is a JSON Web Token
    r"(?P<before>(?<!\w))(?:(?:gh[opsur]_|github_pat_|glpat-|xox[abp]-|sk-|AKIA)[\w+/=-]{12,}"
    r"|eyJ[\w-]{8,}(?:\.[\w-]{8,}){1,4})"
)
_SHAPED = (_BLOCK, _UUID, _MARKED)
# The first parts of a path stay; the `3D` of a `%3D` is no beginning.
_BEFORE = r"(?<!%)(?<!%.)(?P<before>/?(?:[a-z]{2,6}[0-9]?/)*)"
_WORD = re.compile(_BEFORE + r"(?P<word>[A-Za-z0-9+/_-]{16,}={0,2})")
_SHORTEST = 16  # a key
_LONGEST = 40  # a word
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NO_SECRETS = ("PWD", "OLDPWD")


def names_a_secret(name: str) -> bool:
    """Whether what stands under this name is not for others."""
    return _IS_SECRET.search(name) is not None


class Scrubber:
    """Takes secrets out of texts; counts how many. `environ` is where known values come from, a
    path below `home` begins with `~` afterwards."""

    def __init__(self, environ: Mapping[str, str], home: str = "") -> None:
        self.removed = 0
        self._home = re.compile(rf"{re.escape(home.rstrip('/'))}(?![\w-])") if home else None
        known: set[str] = set()
        for name, value in environ.items():
            if names_a_secret(name) and name not in _NO_SECRETS and len(value) >= 6:
                known |= {value, quote(value, safe=""), json.dumps(value)[1:-1]}
        self._known = sorted(known, key=len, reverse=True)

    def lines(self, text: str) -> str:
        """A text of which each line may be JSON; what is none is scrubbed as it stands."""
        made: list[str] = []
        plain: list[str] = []  # kept together: a key in PEM form has many lines
        for line in text.split("\n"):
            found = self._json(line)
            if found is None:
                plain.append(line)
                continue
            if plain:
                made.append(self.text("\n".join(plain)))
                plain = []
            made.append(found)
        return "\n".join([*made, self.text("\n".join(plain))] if plain else made)

    def _json(self, line: str) -> str | None:
        value = _parsed(line)
        if value is None:
            return None
        try:
            return json.dumps(self.value(value), ensure_ascii=False, separators=(",", ":"))
        except RecursionError:  # deeper than anybody writes it: it is scrubbed as text
            return None

    def value(self, value: Any) -> Any:
        """The same of something that was JSON."""
        match value:
            case str():
                inner = _parsed(value)
                return self.text(value) if inner is None else json.dumps(self.value(inner))
            case dict():
                names = {key for key in value if names_a_secret(key)}
                if any(_is_name(value.get(key)) for key in ("name", "key")):
                    names.add("value")  # a header or a setting, as an object
                return {
                    self.text(key): self._gone(of) if key in names else self.value(of)
                    for key, of in value.items()
                }
            case list():  # of a command or of headers: a value behind its name
                before = [None, *value]
                return [
                    self._gone(of) if _is_name(name) else self.value(of)
                    for name, of in zip(before, value, strict=False)
                ]
            case _:
                return value

    def text(self, text: str) -> str:
        """The same of a text without any form."""
        text = _COLOUR.sub("", text.replace("\0", ""))
        for value in self._known:
            self.removed += text.count(value)
            text = text.replace(value, REMOVED)
        # Before names are looked for: the three letters of one are in many a key.
        for shape in _SHAPED:
            text = shape.sub(self._caught, text)
        text = _WORD.sub(lambda at: self._caught(at) if _is_key(at["word"]) else at[0], text)
        for named in _NAMED_ONES:
            text = named.sub(self._caught, text)
        return self._home.sub("~", text) if self._home else text

    def _caught(self, found: re.Match[str]) -> str:
        if found[0][len(found["before"]) :].strip() == REMOVED:
            return found[0]
        self.removed += 1
        return found["before"] + REMOVED

    def _gone(self, of: object) -> object:
        """What stands in the place of a secret. That there was none stays to be seen."""
        if of is None or isinstance(of, bool) or of in ([], {}):
            return of
        self.removed += 1
        return REMOVED


def _is_name(before: object) -> bool:
    """Whether an item of a list says that the next one is a secret."""
    return (
        isinstance(before, str)
        and re.fullmatch(r"[\w.-]{1,60}", before) is not None
        and names_a_secret(before)
    )


def _is_key(word: str) -> bool:
    """Whether a word is one that somebody drew by lot: changes between small letters, capitals and
    digits, and digits among letters, are a fifth of it and more; an eighth, if it ends as Base64
    does."""
    parts = [part for part in re.findall(r"[A-Za-z0-9]+", word) if not part.isdigit()]
    if any(len(part) >= _LONGEST for part in parts):
        return True
    count = odd = 0
    for part in parts:
        kinds = ["a" if c.islower() else "A" if c.isupper() else "0" for c in part]
        # `Aa` is how a word in CamelCase begins, and no change.
        odd += sum(a != b and (a, b) != ("A", "a") for a, b in pairwise(kinds)) + kinds.count("0")
        count += len(part)
    return count >= _SHORTEST and odd * (8 if word.endswith("=") else 5) >= count


def _parsed(text: str) -> Any:
    """The object or list that a text is in JSON, or None."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
