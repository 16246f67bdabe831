"""REST as a pure function: a request in, a response out (rest A1 to A4, B1, B2; wire A9, B14).

The order of checks is the page's: weight, path, parameters, symbol, the rest. A refused request
costs its weight as well (O).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from mockex.clock import Clock
from mockex.market.walk import Market
from mockex.profile import Profile
from mockex.streams.depth import snapshot

_SYMBOL = re.compile(r"[\w\-.]{1,50}")
_LIMIT = re.compile(r"[0-9]{1,20}")
_DEPTH_PARAMETERS = frozenset({"symbol", "limit"})


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One request: `target` as it stood in the request line, headers without secrets."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RestResponse:
    """One answer. `weight` is what it cost, `used_weight` what this window has cost so far."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    weight: int = 0
    used_weight: int = 0
    last_update_id: int | None = None
    retry_after_s: int | None = None


class _Refused(Exception):
    def __init__(self, status: int, code: int, msg: str) -> None:
        self.status = status
        self.code = code
        self.msg = msg


class Rest:
    """The REST side of one exchange. Windows of weight are aligned to the clock (rest A3)."""

    def __init__(self, profile: Profile, market: Market, clock: Clock) -> None:
        self._profile = profile
        self._market = market
        self._clock = clock
        self._window = -1
        self._used = 0

    def answer(self, request: RestRequest, now: float) -> RestResponse:
        """Answer at `now` exchange seconds."""
        path, _, query = request.target.partition("?")
        parameters = parse_qsl(query, keep_blank_values=True)
        weight = self._weight(path, dict(parameters))
        ends_in_s = self._count(weight, now)
        if self._used > self._profile.weight_limit:
            text = self._profile.weight_exceeded.format(limit=self._profile.weight_limit)
            return self._error(429, -1003, text, weight, retry_after_s=ends_in_s)
        try:
            return self._route(request.method, path, parameters, weight, now)
        except _Refused as refused:
            return self._error(refused.status, refused.code, refused.msg, weight)

    def _count(self, weight: int, now: float) -> int:
        """Charge `weight`; seconds until the window ends, rounded up."""
        unix_s = self._clock.epoch_ms / 1000 + now
        window, into = divmod(unix_s, self._profile.weight_window_s)
        if int(window) != self._window:
            self._window, self._used = int(window), 0
        self._used += weight
        left = self._profile.weight_window_s - into
        return int(left) + (left > int(left))

    def _weight(self, path: str, parameters: dict[str, str]) -> int:
        if path != f"{self._profile.rest_prefix}/depth":
            return 1
        text = parameters.get("limit", str(self._profile.depth_limit_default))
        limit = int(text) if _LIMIT.fullmatch(text) else self._profile.depth_limit_default
        weights = self._profile.depth_weights
        return next((weight for upto, weight in weights if limit <= upto), weights[-1][1])

    def _route(
        self, method: str, path: str, parameters: list[tuple[str, str]], weight: int, now: float
    ) -> RestResponse:
        prefix = self._profile.rest_prefix
        if path not in {f"{prefix}/ping", f"{prefix}/time", f"{prefix}/depth"}:
            return self._response(404, b"", weight)
        if method != "GET":
            return self._response(405, b"", weight, headers=[("allow", "GET")])
        if path == f"{prefix}/depth":
            return self._depth(parameters, weight, now)
        if parameters:
            raise _Refused(
                400, -1101, f"Too many parameters; expected '0' and received '{len(parameters)}'."
            )
        if path == f"{prefix}/ping":
            return self._response(200, b"{}", weight)
        body = f'{{"serverTime":{self._clock.unix_ms(now)}}}'.encode()
        return self._response(200, body, weight)

    def _depth(self, parameters: list[tuple[str, str]], weight: int, now: float) -> RestResponse:
        named = dict(parameters)
        if len(named) < len(parameters):
            raise _Refused(400, -1101, "Duplicate values for a parameter detected.")
        if not named.get("symbol"):
            raise _Refused(
                400,
                -1102,
                "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
            )
        known = len(_DEPTH_PARAMETERS & named.keys())
        if known < len(named):
            raise _Refused(
                400,
                -1104,
                f"Not all sent parameters were read; read '{known}' parameter(s) but was sent "
                f"'{len(named)}'.",
            )
        limit = self._limit(named.get("limit"))
        instrument = self._market.instruments.get(self._symbol(named["symbol"]))
        if instrument is None:
            raise _Refused(400, -1121, "Invalid symbol.")
        text, last_update_id = snapshot(
            self._profile, self._market.truth, instrument, limit, self._clock.unix_ms(now)
        )
        return self._response(200, text.encode(), weight, last_update_id=last_update_id)

    def _symbol(self, symbol: str) -> str:
        # "Lower-case symbols are accepted by the REST server" (rest B1, O); spot refuses them.
        if self._profile.name == "usdm":
            return symbol.upper()
        if not _SYMBOL.fullmatch(symbol) or symbol != symbol.upper():
            raise _Refused(
                400,
                -1100,
                "Illegal characters found in parameter 'symbol'; legal range is "
                "'^[\\w\\-._&&[^a-z]]{1,50}$'.",
            )
        return symbol

    def _limit(self, text: str | None) -> int:
        profile = self._profile
        if text is None:
            return profile.depth_limit_default
        if not _LIMIT.fullmatch(text):
            raise _Refused(
                400,
                -1100,
                "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'.",
            )
        limit = int(text)
        if profile.depth_limits is None:
            if limit == 0:
                raise _Refused(400, -1130, "Data sent for parameter 'limit' is not valid.")
            return min(limit, profile.depth_limit_max)
        if limit > profile.depth_limit_max:  # wire A9
            raise _Refused(400, -1130, "Data sent for parameter 'limit' is not valid.")
        if limit not in profile.depth_limits:
            raise _Refused(400, -4021, f"{limit} is not valid depth limit")
        return limit

    def _error(
        self, status: int, code: int, msg: str, weight: int, *, retry_after_s: int | None = None
    ) -> RestResponse:
        body = json.dumps({"code": code, "msg": msg}, separators=(",", ":")).encode()
        headers = [] if retry_after_s is None else [("retry-after", str(retry_after_s))]
        return self._response(status, body, weight, headers=headers, retry_after_s=retry_after_s)

    def _response(
        self,
        status: int,
        body: bytes,
        weight: int,
        *,
        headers: list[tuple[str, str]] | None = None,
        last_update_id: int | None = None,
        retry_after_s: int | None = None,
    ) -> RestResponse:
        used = str(self._used)
        common = [
            ("content-type", "application/json;charset=UTF-8"),
            ("x-mbx-used-weight", used),
            ("x-mbx-used-weight-1m", used),
        ]
        return RestResponse(
            status,
            common + (headers or []),
            body,
            weight,
            self._used,
            last_update_id,
            retry_after_s,
        )
