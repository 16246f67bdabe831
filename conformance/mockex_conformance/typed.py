"""Requests as a person types them in `mockex try`, made into what a testee is told."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from mockex_conformance.harness.messages import REQUESTS

HELP = """\
start · close · reconnect · status · quit
subscribe STREAM…  ·  unsubscribe STREAM…   (ethusdc@aggTrade btcusdc@depth5@100ms)
consume delay_ms=N block_ms=N fail=N  ·  book SYMBOL
{"method":"…","params":{…}}   as it is, with an id if it has none; bad ones too
help"""


class Untyped(Exception):
    """What was typed is no request; the message says what would be one."""


def request(text: str, number: int) -> dict[str, Any]:
    """The request that `text` means, with the id `number` unless it brings one.

    Words are a method and its arguments; an unknown method without arguments is sent as it is. An
    object is sent as it is, whatever it holds.

    Raises:
        Untyped: it is none.
    """
    if text.lstrip().startswith("{"):
        return {"jsonrpc": "2.0", "id": number, **_object(text)}
    method, *words = text.replace(",", " ").split() or [""]
    if not method:
        raise Untyped("expected a method; `help` lists them")
    params = _params(method, words)
    made: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method}
    return {**made, "params": params} if params else made


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
