"""Parameters of a request: which an endpoint takes, what they may look like, what is wrong with
those that were sent (rest A1, A2; wire B14).

The order of checks: sent twice (-1101), mandatory and not there (-1102), malformed (-1100), empty
(-1105), surplus (-1104). What a well-formed value means is the endpoint's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from mockex.rest import refusals

_SYMBOLS = re.compile(r'\[(?:"[\w\-.]{1,50}"(?:,"[\w\-.]{1,50}")*)?\]')


def _pattern(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def _is_upper(text: str) -> bool:
    return text == text.upper()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that an endpoint takes. `legal` is what the error of a bad value shows."""

    name: str
    legal: str
    accepts: Callable[[str], bool]
    mandatory: bool = False


_WHOLE = "^[0-9]{1,20}$"  # wire B14
_SYMBOL = _pattern(r"[\w\-.]{1,50}")


def whole(name: str, *, mandatory: bool = False) -> Parameter:
    """A whole number: a limit, an id, a time."""
    return Parameter(name, _WHOLE, _pattern("[0-9]{1,20}"), mandatory)


def choice(name: str, *, mandatory: bool = False) -> Parameter:
    """A word whose meaning has an error code of its own."""
    return Parameter(name, "^.{1,100}$", _pattern(".{1,100}"), mandatory)


def symbol(*, mandatory: bool, name: str = "symbol", any_case: bool = False) -> Parameter:
    """A symbol or pair. The legal range differs from deployment to deployment (rest A2, O)."""
    if any_case:
        return Parameter(name, r"^[\w\-.]{1,50}$", _SYMBOL, mandatory)
    legal = r"^[\w\-._&&[^a-z]]{1,50}$"
    return Parameter(name, legal, lambda text: _SYMBOL(text) and _is_upper(text), mandatory)


SYMBOLS = Parameter(
    "symbols",
    r'^\[("[\w\-._&&[^a-z]]{1,50}"(,"[\w\-._&&[^a-z]]{1,50}"){0,}){0,1}\]$',
    lambda text: _SYMBOLS.fullmatch(text) is not None and _is_upper(text),
)
PERMISSIONS = Parameter(
    "permissions",
    r'^\[?("?[A-Z0-9_]{1,20}"?,?)+\]?$',
    _pattern(r'[A-Z0-9_]{1,20}|\["[A-Z0-9_]{1,20}"(?:,"[A-Z0-9_]{1,20}")*\]'),
)
FLAG = "^(true|false)$"


def flag(name: str) -> Parameter:
    """True or false."""
    return Parameter(name, FLAG, _pattern("true|false"))


TIME_ZONE = Parameter(
    "timeZone",
    r"^[+-]?[0-9]{1,2}(:[0-9]{2})?$",
    # a plus that was not encoded arrives as a space
    _pattern(r"[+\- ]?[0-9]{1,2}(?::[0-9]{2})?"),
)
WINDOW_SIZE = Parameter("windowSize", "^[0-9]{1,2}[mhd]$", _pattern("[0-9]{1,2}[mhd]"))


@dataclass(frozen=True, slots=True)
class Target:
    """A request target, taken apart. `sent` are the parameters in their order."""

    path: str
    sent: list[tuple[str, str]]


def parse(target: str) -> Target:
    """Take apart what stood in the request line, whatever it is; escapes are decoded."""
    if target.startswith(("http://", "https://")):  # as a proxy is asked (RFC 9112, section 3.2.2)
        try:
            split = urlsplit(target)
        except ValueError:
            return Target("", [])
        target = f"{split.path}?{split.query}"
    path, _, query = target.partition("?")
    return Target(unquote(path), parse_qsl(query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a request that were found to be well-formed."""

    values: Mapping[str, str]

    def text(self, name: str) -> str | None:
        """A value as it was sent."""
        return self.values.get(name)

    def number(self, name: str) -> int | None:
        """A whole number."""
        text = self.values.get(name)
        return None if text is None else int(text)

    def names(self, name: str) -> list[str] | None:
        """A list of words: a JSON array, or one word."""
        text = self.values.get(name)
        return None if text is None else re.findall(r"[\w\-.]+", text)


def check(
    sent: Sequence[tuple[str, str]], takes: Sequence[Parameter], *, ignore_surplus: bool
) -> Query:
    """Hold what was sent against what an endpoint takes.

    Raises:
        Refused: see the module.
    """
    values = dict(sent)
    if len(values) < len(sent):
        raise refusals.duplicate()
    if not takes and sent and not ignore_surplus:
        raise refusals.too_many(0, len(sent))
    for parameter in takes:
        value = values.get(parameter.name)
        if not value:
            if parameter.mandatory:
                raise refusals.missing(parameter.name)
            if value == "":
                raise refusals.empty(parameter.name)
        elif not parameter.accepts(value):
            raise refusals.illegal(parameter.name, parameter.legal)
    known = {p.name: values[p.name] for p in takes if p.name in values}
    if len(known) < len(values) and not ignore_surplus:
        if "" in values:
            raise refusals.unknown_parameter()
        raise refusals.unread(len(known), len(values))
    return Query(known)
