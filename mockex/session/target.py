"""The request target of a handshake: path, mode, streams (spot 2, usdm 2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from mockex.names import well_formed
from mockex.profile import Profile

_TIME_UNITS = frozenset({"MILLISECOND", "millisecond"})
_BAD_TIME_UNIT = (
    '{"code":-1194,"msg":"Invalid value for time unit; expected either MICROSECOND or '
    'MILLISECOND."}'
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a handshake asks for. `malformed` are names that are no stream names at all."""

    route: str  # `` or a prefix such as `/public`
    combined: bool
    streams: tuple[str, ...] = ()
    malformed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A handshake that is answered with this instead of a 101."""

    status: int
    body: str


def read_target(profile: Profile, target: str) -> Target | Refusal:
    """Read `target` as it stood in the request line."""
    if len(target) > profile.max_target_chars:
        return Refusal(414, "Request-URI Too Long")
    path, _, query = target.partition("?")
    route = next((r.prefix for r in profile.routes if r.prefix and _below(path, r.prefix)), "")
    path = path[len(route) :]
    if path == "/stream" or path == "/stream/":
        combined, names = True, _names_in_query(query)
    elif path == "/ws" or path.startswith("/ws/"):
        combined, names = False, path[len("/ws/") :].split("/")
    else:
        # wire B13: `/stream/ws/<name>` on spot
        return Refusal(404, "Invalid request path")
    if profile.name == "spot":
        unit = dict(parse_qsl(query)).get("timeUnit", "MILLISECOND")
        if unit not in _TIME_UNITS:
            return Refusal(400, _BAD_TIME_UNIT)
    # "Percent-encoded URLs are accepted since 2025-12" (spot 2); names may also be raw UTF-8,
    # which reaches us as latin-1.
    decoded = [unquote(_utf8(name)) for name in names]
    streams = tuple(dict.fromkeys(name for name in decoded if name))
    return Target(
        route,
        combined,
        tuple(name for name in streams if well_formed(name)),
        tuple(name for name in streams if not well_formed(name)),
    )


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


def _names_in_query(query: str) -> list[str]:
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name == "streams":
            return unquote(_utf8(value)).split("/")
    return []


def _utf8(text: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
