"""The request target of a handshake: path, mode, streams (spot 2, usdm 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote

from mockex.profile import Profile
from mockex.session.decisions import Attempt, refusal
from mockex.session.requests import compact

# "`timeUnit` accepts exactly" these (spot 2)
_TIME_UNITS: Mapping[str, bool] = MappingProxyType({
    "MILLISECOND": False, "millisecond": False, "MICROSECOND": True, "microsecond": True,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """What a handshake asks for. `malformed` are names that are no stream names at all; `micro`:
    times in microseconds."""

    route: str  # `` or a prefix such as `/public`
    combined: bool
    streams: tuple[str, ...] = ()
    malformed: tuple[str, ...] = ()
    micro: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A handshake that is answered with this instead of a 101."""

    status: int
    body: str
    headers: tuple[tuple[str, str], ...] = ()


def refuse(profile: Profile, attempt: Attempt, retry_after_s: int = 0) -> Refusal:
    """The answer of this profile to what is wrong with an attempt."""
    row = refusal(profile, attempt)
    headers = (("Retry-After", str(retry_after_s)),) if row.retry_after else ()
    minutes = round(profile.attempts_window_s / 60)
    text = getattr(profile.texts, row.text).format(limit=profile.attempts_limit, minutes=minutes)
    body = text if row.code is None else compact({"code": row.code, "msg": text})
    return Refusal(row.status, body, headers)


def read_target(profile: Profile, target: str) -> Target | Refusal:
    """Read `target` as it stood in the request line."""
    if len(target) > profile.max_target_chars:
        return refuse(profile, Attempt.TOO_LONG)
    path, _, query = target.partition("?")
    prefixes = [route.prefix for route in profile.routes]
    route = next((prefix for prefix in prefixes if prefix and _below(path, prefix)), "")
    path = path[len(route) :]
    if path == "/stream" or path == "/stream/":
        combined, names = True, _names_in_query(query)
    elif path == "/ws" or path.startswith("/ws/"):
        combined, names = False, _names(path[len("/ws/") :], profile.raw_path == "many")
    else:
        return refuse(profile, Attempt.NO_PATH)
    if route not in prefixes:
        return refuse(profile, Attempt.UNROUTED)
    unit = "MILLISECOND"
    if profile.time_unit != "ignored":
        unit = dict(parse_qsl(query, keep_blank_values=True)).get("timeUnit", unit)
    if unit not in _TIME_UNITS and profile.time_unit == "strict":
        return refuse(profile, Attempt.BAD_TIME_UNIT)
    malformed = tuple(name for name in names if not profile.well_formed(name))
    if malformed and profile.malformed_in_url == "refuse":
        return refuse(profile, Attempt.MALFORMED_STREAM)
    streams = tuple(name for name in names if profile.well_formed(name))
    return Target(route, combined, streams, malformed, _TIME_UNITS.get(unit, False))


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


def _names_in_query(query: str) -> tuple[str, ...]:
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name == "streams":
            return _names(value)
    return ()


def _names(text: str, many: bool = True) -> tuple[str, ...]:
    """The names in a part of a URL, each once; not `many`: it is one name, or none.

    "Percent-encoded URLs are accepted since 2025-12"; names may also be raw UTF-8 (spot 2), which
    reaches us as latin-1.
    """
    decoded = unquote(_utf8(text))
    names = decoded.split("/") if many else (decoded,)
    return tuple(dict.fromkeys(name for name in names if name))


def _utf8(text: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
