"""Control requests: one JSON object per text frame (spot 4, usdm 4, corrected by wire A4, A5, A12,
B12). Reading gives a request or the rejection that answers it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mockex.profile import Profile
from mockex.session.decisions import Case, IdShape, accepts_id

Id = int | str | None
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
    """A request that is to be carried out. `identified` holds its `id`, unless it had none and may;
    `combined` is the value of SET_PROPERTY."""

    method: Method
    identified: Mapping[str, Id]
    streams: tuple[str, ...] = ()
    combined: bool = False


@dataclass(frozen=True, slots=True)
class Rejection:
    """A request that is not carried out, and why. `identified` holds the `id` if it could be read;
    `details` fill in the text."""

    case: Case
    identified: Mapping[str, Id] = field(default_factory=dict)
    details: Mapping[str, object] = field(default_factory=dict)


class _Refused(Exception):
    def __init__(self, case: Case, **details: object) -> None:
        self.case = case
        self.details = details


def result(identified: Mapping[str, Id], value: Any = None) -> str:
    """A success: exactly `{"result":null,"id":N}` for most methods."""
    return compact({"result": value, **identified})


def error(profile: Profile, code: int, msg: str, identified: Mapping[str, Id]) -> str:
    """An error. "Every capture from 2020 to 2026 is nested", with the `id` where it could be read;
    the page shows flat objects, on spot with an `id` in the row of code 0 alone (spot 4.3,
    usdm 4.2)."""
    told = {"code": code, "msg": msg}
    if profile.error_envelope == "nested":
        return compact({"error": told, **identified})
    return compact({**told, **identified} if code == 0 and profile.name == "spot" else told)


def compact(value: Any) -> str:
    """JSON as the exchange writes it: no spaces, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_request(profile: Profile, text: str) -> Request | Rejection:
    """Read one text frame."""
    limit = profile.max_request_bytes
    if limit is not None and len(text.encode()) > limit:
        return Rejection(Case.CUT_REQUEST, details={"column": limit})
    try:
        message = _parse(text)
    except (ValueError, RecursionError) as bad:
        at = (bad.lineno, bad.colno) if isinstance(bad, json.JSONDecodeError) else (1, 1)
        return Rejection(Case.NOT_JSON, details={"line": at[0], "column": at[1]})
    column = len(text.rstrip())  # "missing field = column of the closing brace" (spot 4.3, I)
    if not isinstance(message, dict):
        return Rejection(Case.NOT_AN_OBJECT, details={"column": column})
    if not accepts_id(profile, id_shape(message)):
        return Rejection(Case.BAD_ID)
    identified = {"id": message["id"]} if "id" in message else {}
    try:
        return _read(profile, message)
    except _Refused as refused:
        return Rejection(refused.case, identified, {"column": column, **refused.details})


def _parse(text: str) -> Any:
    message = json.loads(text, parse_constant=_no_constant)
    if "\\u" in text:
        # Half of a surrogate pair is a string to Python and none to anybody else.
        compact(message).encode()
    return message


def _no_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are no JSON


def id_shape(message: Mapping[str, Any]) -> IdShape:
    """What stands under `id`."""
    if "id" not in message:
        return IdShape.MISSING
    match message["id"]:
        case None:
            return IdShape.NULL
        case bool():  # an int to Python
            return IdShape.OTHER
        case int(value) if 0 <= value < 2**63:
            return IdShape.UNSIGNED
        case int(value) if -(2**63) <= value < 0:
            return IdShape.NEGATIVE
        case str(value) if _ID_TEXT.fullmatch(value):
            return IdShape.HYPHENATED if "-" in value else IdShape.TEXT
        case _:
            return IdShape.OTHER


def _read(profile: Profile, message: dict[str, Any]) -> Request:
    name = message.get("method")
    if not isinstance(name, str):
        raise _Refused(Case.NO_METHOD)
    if name not in Method.__members__:
        raise _Refused(Case.UNKNOWN_METHOD, method=name)
    method = Method(name)
    identified = {"id": message["id"]} if "id" in message else {}
    params = message.get("params", [])
    if not isinstance(params, list):
        raise _Refused(Case.PARAMS_NOT_ARRAY)
    match method:
        case Method.SUBSCRIBE | Method.UNSUBSCRIBE:
            if "params" not in message:
                raise _Refused(Case.PARAMS_NOT_ARRAY)
            if not all(isinstance(n, str) and profile.well_formed(n) for n in params):
                raise _Refused(Case.MALFORMED_STREAM)
            return Request(method, identified, tuple(params))
        case Method.LIST_SUBSCRIPTIONS:
            if params:
                raise _Refused(Case.SURPLUS_PARAMETERS)
            return Request(method, identified)
        case Method.SET_PROPERTY:
            _check_property(params, 2)
            if len(params) < 2 or not isinstance(params[1], bool):
                raise _Refused(Case.NOT_BOOLEAN)
            return Request(method, identified, combined=params[1])
        case Method.GET_PROPERTY:
            _check_property(params, 1)
            return Request(method, identified)


def _check_property(params: list[Any], most: int) -> None:
    if not params or not isinstance(params[0], str):
        raise _Refused(Case.PROPERTY_NAME)
    if params[0] != "combined":
        raise _Refused(Case.UNKNOWN_PROPERTY)
    if len(params) > most:
        raise _Refused(Case.SURPLUS_PARAMETERS)
