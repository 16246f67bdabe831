"""Control requests: one JSON object per text frame (spot 4, usdm 4, corrected by wire A4, A5, A12,
B12). Reading gives a request or the rejection that answers it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mockex.names import well_formed
from mockex.profile import Profile

_ID_TEXT = re.compile(r"[A-Za-z0-9\-]{0,36}")  # 36 is the length of a UUID (spot 4.1)


class Method(StrEnum):
    """Spot 4.2."""

    SUBSCRIBE = "SUBSCRIBE"
    UNSUBSCRIBE = "UNSUBSCRIBE"
    LIST_SUBSCRIPTIONS = "LIST_SUBSCRIPTIONS"
    SET_PROPERTY = "SET_PROPERTY"
    GET_PROPERTY = "GET_PROPERTY"


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is to be carried out. `combined` is the value of SET_PROPERTY."""

    method: Method
    id: int | str | None
    streams: tuple[str, ...] = ()
    combined: bool = False


@dataclass(frozen=True, slots=True)
class Rejection:
    """An answer with an error; `text` None: none is sent. wire A4: "an error with `id` leaves the
    socket open, an error without `id` is followed by close 1008"."""

    text: str | None
    closes: bool


class _Refused(Exception):
    def __init__(self, code: int, msg: str, *, with_id: bool = True) -> None:
        self.code = code
        self.msg = msg
        self.with_id = with_id


def result(request_id: int | str | None, value: Any = None) -> str:
    """A success: exactly `{"result":null,"id":N}` for most methods."""
    return _dump({"result": value, "id": request_id})


def error(code: int, msg: str, **identified: int | str | None) -> str:
    """An error in the nested form of the wire; give `id` where it could be read."""
    return _dump({"error": {"code": code, "msg": msg}, **identified})


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_request(profile: Profile, text: str) -> Request | Rejection:
    """Read one text frame."""
    texts = profile.texts
    limit = profile.max_request_bytes
    if limit is not None and len(text.encode()) > limit:
        # wire A12: cut at 4,096 bytes; whether the socket closes is not said, so it stays open (I).
        return Rejection(error(3, texts.cut_request.format(column=limit)), closes=False)
    try:
        message = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as bad:
        return _invalid_json(profile, bad)
    if not isinstance(message, dict):
        return Rejection(error(2, texts.missing_method.format(column=len(text))), closes=True)
    has_id, request_id = _read_id(profile, message)
    if not has_id:
        return Rejection(error(2, texts.request_id), closes=True)
    try:
        return _read(profile, message, request_id, len(text.rstrip()))
    except _Refused as refused:
        if refused.with_id:
            return Rejection(error(refused.code, refused.msg, id=request_id), closes=False)
        return Rejection(error(refused.code, refused.msg), closes=True)


def _no_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are no JSON


def _invalid_json(profile: Profile, bad: Exception) -> Rejection:
    if profile.invalid_json == "close":
        return Rejection(None, closes=True)
    line, column = 1, 1
    if isinstance(bad, json.JSONDecodeError):
        line, column = bad.lineno, bad.colno
    return Rejection(
        error(3, profile.texts.invalid_json.format(line=line, column=column)), closes=False
    )


def _read_id(profile: Profile, message: dict[str, Any]) -> tuple[bool, int | str | None]:
    """Whether there is an id that this profile accepts, and the id."""
    value = message.get("id", False)
    if isinstance(value, bool):  # missing, or a boolean, which is an int to Python
        return False, None
    if isinstance(value, int):
        least = 0 if profile.id_rule == "unsigned" else -(2**63)
        return least <= value < 2**63, value
    if profile.id_rule == "unsigned":
        return False, None
    if value is None:
        return True, None
    return isinstance(value, str) and _ID_TEXT.fullmatch(value) is not None, value


def _read(
    profile: Profile, message: dict[str, Any], request_id: int | str | None, column: int
) -> Request:
    texts = profile.texts
    name = message.get("method")
    if not isinstance(name, str):
        raise _Refused(2, texts.missing_method.format(column=column))
    if name not in Method.__members__:
        raise _Refused(2, texts.unknown_method.format(method=name))
    method = Method(name)
    params = message.get("params", [])
    if not isinstance(params, list):
        raise _Refused(2, texts.params_not_array)
    match method:
        case Method.SUBSCRIBE | Method.UNSUBSCRIBE:
            if "params" not in message:
                raise _Refused(2, texts.params_not_array)
            if not all(isinstance(n, str) and well_formed(n) for n in params):
                raise _Refused(2, texts.invalid_stream, with_id=False)
            return Request(method, request_id, tuple(params))
        case Method.LIST_SUBSCRIPTIONS:
            if params:
                raise _Refused(2, texts.too_many_parameters)
            return Request(method, request_id)
        case Method.SET_PROPERTY:
            _check_property(profile, params, 2)
            if len(params) < 2 or not isinstance(params[1], bool):
                raise _Refused(1, texts.expected_boolean)
            return Request(method, request_id, combined=params[1])
        case Method.GET_PROPERTY:
            _check_property(profile, params, 1)
            return Request(method, request_id)


def _check_property(profile: Profile, params: list[Any], most: int) -> None:
    texts = profile.texts
    if not params or not isinstance(params[0], str):
        raise _Refused(2, texts.property_name)
    if params[0] != "combined":
        raise _Refused(0, texts.unknown_property)
    if len(params) > most:
        raise _Refused(2, texts.too_many_parameters)
