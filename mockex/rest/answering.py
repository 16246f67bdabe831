"""One request after the other: who is let in, what was asked, what is answered.

The order of checks (rest A2, I): ban (418), weight (429), unknown path (404), parameters, symbol,
the rest.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mockex.clock import Clock
from mockex.errors import BookUnknown
from mockex.market.walk import Market
from mockex.profile import Profile
from mockex.rest import query, refusals
from mockex.rest.asked import Asked, Exchange
from mockex.rest.endpoints import Endpoint, endpoints
from mockex.rest.exchange_info import interval
from mockex.rest.limits import Kind, Limits, Verdict
from mockex.rest.messages import Answer, Request, Response
from mockex.rest.refusals import Refused

_UNKNOWN_WEIGHT = 1  # of a path that is none, and of a method that is not GET (I)
_JSON = "application/json;charset=UTF-8"
_HTML = "text/html"
_NOT_FOUND = (
    b"<!DOCTYPE html><html><head><title>404 Not Found</title></head>"
    b"<body><h1>Not Found</h1></body></html>"
)
_RETIRED = "/api/v3/userDataStream"  # listen keys are gone from spot (rest C9)
_UNITS = {"MICROSECOND": True, "microsecond": True, "MILLISECOND": False, "millisecond": False}


class Rest:
    """The REST side of one exchange."""

    def __init__(self, profile: Profile, market: Market, clock: Clock) -> None:
        self._profile = profile
        self._clock = clock
        self._exchange = Exchange(profile, market, clock.epoch_ms)
        self._endpoints = endpoints(profile)
        self._limits = Limits(profile)
        unit, number = interval(profile.weight_window_s)
        self._used_header = f"x-mbx-used-weight-{number}{unit[0].lower()}"

    def answer(self, request: Request, now: float) -> Response:
        """Answer at `now` exchange seconds. Whatever the request is, there is an answer."""
        target = query.parse(request.target)
        priced = self._endpoints.get(target.path)
        endpoint = priced.endpoint if priced and request.method in ("GET", "HEAD") else None
        weight = priced.weight.of(dict(target.sent)) if priced and endpoint else _UNKNOWN_WEIGHT
        unix_s = self._clock.epoch_ms / 1000 + now
        if endpoint is None:
            verdict = self._limits.charge(request.address, weight, unix_s)
        else:
            verdict = self._limits.charge(request.address, weight, unix_s, endpoint.counter)
        if verdict.kind is not Kind.SERVED:
            return self._turned_away(request, verdict)
        if endpoint is None:
            return self._no_endpoint(request, target.path, verdict, known=priced is not None)
        try:
            answer = self._asked(endpoint, request, target, now)
        except Refused as refused:
            if not self._profile.charge_refused and refused.status == 400:
                self._limits.refund(request.address, verdict.charged)
            return self._refused(request, endpoint, verdict, refused)
        body = answer.body if isinstance(answer.body, bytes) else msgspec.json.encode(answer.body)
        return self._response(
            request, 200, body, verdict, endpoint=endpoint, last_update_id=answer.last_update_id
        )

    def _asked(
        self, endpoint: Endpoint, request: Request, target: query.Target, now: float
    ) -> Answer:
        """What the endpoint says.

        Raises:
            Refused: something is wrong with the request.
        """
        found = query.check(
            target.sent,
            endpoint.takes,
            ignore_surplus=self._profile.surplus_parameters == "ignore",
        )
        if endpoint.one_of and not any(name in found.values for name in endpoint.one_of):
            raise refusals.missing_both(*endpoint.one_of)
        now_ms = self._clock.unix_ms(now)
        into_us = int(now * 1e6) - (now_ms - self._clock.epoch_ms) * 1000
        asked = Asked(
            exchange=self._exchange,
            query=found,
            now_us=now_ms * 1000 + min(max(into_us, 0), 999),
            micros=self._micros(request.headers),
            key=request.headers.get("x-mbx-apikey"),
        )
        try:
            return endpoint.answer(asked)
        except BookUnknown as error:
            raise refusals.book_unknown(error) from None

    def _micros(self, headers: Mapping[str, str]) -> bool:
        """Whether times are to be in µs (rest A1), if the profile knows time units."""
        unit = headers.get("x-mbx-time-unit", "MILLISECOND")
        if self._profile.time_unit == "ignored":
            return False
        if unit not in _UNITS and self._profile.time_unit == "strict":
            raise refusals.bad_time_unit()
        return _UNITS.get(unit, False)

    # --- answers -------------------------------------------------------------------------------

    def _turned_away(self, request: Request, verdict: Verdict) -> Response:
        """429 and 418, with the seconds to wait."""
        wait_s = verdict.retry_after_s if self._profile.retry_after else None
        headers = [] if wait_s is None else [("retry-after", str(wait_s))]
        body = _error(-1003, verdict.text)
        return self._response(
            request, verdict.kind.value, body, verdict, headers=headers, retry_after_s=wait_s
        )

    def _no_endpoint(
        self, request: Request, path: str, verdict: Verdict, *, known: bool
    ) -> Response:
        """404, with a body only for those that want to read one; 405 of a known path."""
        if known:
            return self._response(
                request, 405, b"", verdict, headers=[("allow", "GET, HEAD")], content=None
            )
        retired = path == _RETIRED and self._profile.name == "spot"
        status = self._profile.retired_status if retired else 404
        if _HTML in request.headers.get("accept", ""):
            return self._response(request, status, _NOT_FOUND, verdict, content=_HTML)
        return self._response(request, status, b"", verdict, content=None)

    def _refused(
        self, request: Request, endpoint: Endpoint, verdict: Verdict, refused: Refused
    ) -> Response:
        body = _error(refused.code, refused.msg)
        return self._response(request, refused.status, body, verdict, endpoint=endpoint)

    def _response(
        self,
        request: Request,
        status: int,
        body: bytes,
        verdict: Verdict,
        *,
        endpoint: Endpoint | None = None,
        headers: list[tuple[str, str]] | None = None,
        content: str | None = _JSON,
        last_update_id: int | None = None,
        retry_after_s: int | None = None,
    ) -> Response:
        used = self._limits.used(request.address)
        said = [("content-type", content)] if content else []
        said += self._weight_headers(endpoint, used, verdict)
        return Response(
            status,
            said + (headers or []),
            body,
            verdict.charged,
            used,
            last_update_id,
            retry_after_s,
        )

    def _weight_headers(
        self, endpoint: Endpoint | None, used: int, verdict: Verdict
    ) -> list[tuple[str, str]]:
        """ "Every response carries the used weight"; a bare header beside it on spot (rest A3)."""
        told = endpoint.used_weight if endpoint else "told"
        if told == "untold":
            return []
        text = str(used - verdict.charged if told == "late" else used)
        bare = [("x-mbx-used-weight", text)] if self._profile.name == "spot" else []
        return [*bare, (self._used_header, text)]


def _error(code: int, msg: str) -> bytes:
    return msgspec.json.encode({"code": code, "msg": msg})
