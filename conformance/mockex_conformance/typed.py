"""What a person types in `mockex try`: requests, made into what a testee is told, and waits."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import dataclass
from typing import Any

import msgspec

from mockex_conformance.harness.messages import REQUESTS

LIVE_WITHIN_S = 30.0
_NO_WAIT = "'wait' takes `live`, seconds or both"

HELP = f"""\
start · close · reconnect · status · quit   (`start` was sent already, unless --no-start)
subscribe STREAM…  ·  unsubscribe STREAM…   (ethusdc@aggTrade btcusdc@depth5@100ms)
consume delay_ms=N block_ms=N fail=N  ·  book SYMBOL
{{"method":"…","params":{{…}}}}   as it is, with an id if it has none; bad ones too
wait live   until every wanted stream flows, {LIVE_WITHIN_S:g} s at most (`wait live 5`: 5 s)
wait 2   so many seconds
"a b"   one word, as in a shell
help"""


class Untyped(Exception):
    """What was typed is no request; the message says what would be one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing is sent for `seconds`, or only until every wanted stream flows (`live`)."""

    seconds: float
    live: bool = False


def wait(text: str) -> Wait | None:
    """The wait that `text` means; None if it means something else.

    Raises:
        Untyped: it is one without an end.
    """
    match text.split():
        case ["wait", "live"]:
            return Wait(live=True, seconds=LIVE_WITHIN_S)
        case ["wait", "live", number]:
            return Wait(live=True, seconds=_seconds(number))
        case ["wait", number]:
            return Wait(seconds=_seconds(number))
        case ["wait", *_]:
            raise Untyped(_NO_WAIT)
    return None


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise Untyped(_NO_WAIT)
    return number


def request(text: str, number: int) -> dict[str, Any]:
    """The request that `text` means, with the id `number` unless it brings one.

    Words, quoted as in a shell, are a method and its arguments; an unknown method without
    arguments is sent as it is. An object is sent as it is, whatever it holds.

    Raises:
        Untyped: it is none.
    """
    if text.lstrip().startswith("{"):
        return {"jsonrpc": "2.0", "id": number, **_object(text)}
    method, *words = _words(text) or [""]
    if not method:
        raise Untyped("expected a method; `help` lists them")
    params = _params(method, words)
    made: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method}
    return {**made, "params": params} if params else made


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace += ","
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError as error:
        raise Untyped(str(error)) from None


def _object(text: str) -> dict[str, Any]:
    try:
        made: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Untyped(f"no JSON: {error}") from None
    return made


def _params(method: str, words: list[str]) -> dict[str, Any]:
    kind = REQUESTS.get(method)
    if kind is None:
        if words:
            raise Untyped(f"{method!r} is no request of the protocol; type its params as JSON")
        return {}
    params: dict[str, Any] = {}
    if method in ("subscribe", "unsubscribe"):
        params["streams"] = words
    else:
        names = kind.__struct_fields__
        for position, word in enumerate(words):
            name, equals, value = word.rpartition("=")
            if not equals and position < len(names):
                name = names[position]
            params[name] = int(value) if value.lstrip("-").isdigit() else value
    missing = [
        f.name for f in msgspec.structs.fields(kind) if f.required and not params.get(f.name)
    ]
    surplus = [name for name in params if name not in kind.__struct_fields__]
    if missing or surplus:
        takes = ", ".join(kind.__struct_fields__) or "nothing"
        raise Untyped(f"{method!r} takes {takes}")
    return params
