"""The book: depth and its best levels (rest A4, B2; wire A7, A9, B14)."""

from __future__ import annotations

from bisect import bisect_right

from mockex.market.draws import draw, hits, subject
from mockex.market.instruments import Instrument
from mockex.rest import refusals
from mockex.rest.asked import Asked
from mockex.rest.messages import Answer
from mockex.streams.depth import snapshot


def depth(asked: Asked) -> Answer:
    """`depth`, at the newest update of the market or at one of its last step."""
    i = asked.one()
    limit = _depth_limit(asked)
    text, last_update_id = snapshot(
        asked.profile,
        asked.market.truth,
        i,
        limit,
        asked.now_ms,
        update_id=_update_id(asked, i),
        engine_ms=moved_ms(asked, i),
    )
    return Answer(text.encode(), last_update_id)


def _update_id(asked: Asked, i: Instrument) -> int:
    """At which id: "on an event boundary with high probability (say 80 %) and inside an event
    otherwise" (usdm 6.3). The end of a step is the bound of an event of the fastest stream."""
    history = asked.history(i)
    last = asked.market.truth.last_update_id(i.symbol)
    key = subject(asked.market.seed, "snapshot", i.symbol)
    if not hits(key, last, asked.profile.snapshots_within_events):
        return last
    begin = history.step_ids[-2] if len(history.step_ids) > 1 else history.first_id
    within = history.ids[bisect_right(history.ids, begin) : -1]
    return within[draw(key, -last) % len(within)] if within else last


def _depth_limit(asked: Asked) -> int:
    """How many levels. Spot takes any number and cuts it, usdm only a few (rest C5)."""
    profile = asked.profile
    limit = asked.query.number("limit")
    if limit is None:
        return profile.depth_limit_default
    if profile.depth_limits is None:
        if limit == 0:
            raise refusals.invalid("limit")
        return min(limit, profile.depth_limit_max)
    if limit > profile.depth_limit_max:
        raise refusals.invalid("limit")
    if limit not in profile.depth_limits:
        raise refusals.bad_depth_limit(limit)
    return limit


def best(asked: Asked) -> Answer:
    """`ticker/bookTicker`."""
    return asked.each(_best)


def _best(asked: Asked, i: Instrument) -> dict[str, object]:
    bid, bid_quantity, ask, ask_quantity = asked.market.top(i.symbol)
    said: dict[str, object] = {
        "symbol": i.symbol,
        "bidPrice": i.price(bid),
        "bidQty": i.quantity(bid_quantity),
        "askPrice": i.price(ask),
        "askQty": i.quantity(ask_quantity),
    }
    if asked.usdm:
        said["time"] = moved_ms(asked, i)
        said["lastUpdateId"] = asked.market.truth.last_update_id(i.symbol)  # wire A7
    return said


def moved_ms(asked: Asked, i: Instrument) -> int:
    """When a symbol last moved, in ms since the epoch: the engine's time."""
    steps = asked.history(i).step_ms
    return asked.epoch_ms + (steps[-1] if steps else 0)
