"""Whether all that was written was presented, on recordings made by hand: seen to fail."""

from __future__ import annotations

import pytest

from mockex.server.journal import AnyEntry, Batch, Delivered, Lagged, Noted, Said
from mockex_conformance.checks import AllPresented
from mockex_conformance.checks.presenting import Presenting
from tests.conformance.checks.made import OVER, made

TRADES, ARRAY = "ethusdc@aggTrade", "!miniTicker@arr"


def begin(t: float, *streams: str) -> Noted:
    return Noted(t=t, name="present-all", detail={"streams": list(streams)})


def over(t: float) -> Noted:
    return Noted(t=t, name="present-all-over", detail={"within_s": 5.0})


def written(t: float, stream: str, first: int, last: int, *, step: int = 1) -> Delivered:
    batch = Batch(first, last, last - first + 1, 100)
    return Delivered(t=t, audience=1, step=step, streams={stream: batch})


def presented(t: float, stream: str, number: int) -> Said:
    return Said(t=t, run=1, method="event", params={"stream": stream, "id": number})


def messages(*entries: AnyEntry) -> list[str]:
    return [found.message for found in AllPresented().judge(made(*entries, OVER))]


def test_trades_that_are_all_presented_in_time_are_right() -> None:
    assert (
        messages(
            begin(1, TRADES), written(2, TRADES, 7, 8), over(3), presented(4, TRADES, 7),
            presented(7.9, TRADES, 8),
        )
        == []
    )  # fmt: skip


def test_the_first_trade_that_is_missing_is_named() -> None:
    assert messages(
        begin(1, TRADES), written(2, TRADES, 7, 9), presented(2, TRADES, 7), over(3),
    ) == [
        f"{TRADES}: 2 of 3 events, the first of them 8, were written and not presented within 5.0 s"
    ]  # fmt: skip


def test_an_event_that_is_presented_too_late_is_found_and_one_of_a_late_machine_is_not() -> None:
    entries = (begin(1, TRADES), presented(1, TRADES, 6), written(2, TRADES, 7, 7), over(3))
    assert messages(*entries, presented(8.5, TRADES, 7))
    stood_still = Lagged(t=7.0, late_s=1.0)
    assert messages(*entries, stood_still, presented(8.5, TRADES, 7)) == []


def test_events_without_ids_are_counted_by_step_and_not_by_connection() -> None:
    twice = (written(2, ARRAY, 5, 5, step=1), written(2, ARRAY, 5, 5, step=1))
    right = (begin(1, ARRAY), *twice, written(2.5, ARRAY, 6, 6, step=2), presented(2.6, ARRAY, 0))
    assert messages(*right, presented(3, ARRAY, 0), over(4)) == []
    assert messages(*right, over(4)) == [
        f"{ARRAY}: 2 events were written and 1 presented within 5.0 s"
    ]


@pytest.mark.parametrize(
    "entry", [written(0.5, TRADES, 3, 3), written(3.5, TRADES, 9, 9), written(2, ARRAY, 1, 1)]
)
def test_what_is_written_before_or_behind_the_landmarks_or_of_another_stream_does_not_count(
    entry: AnyEntry,
) -> None:
    entries: list[AnyEntry] = [
        begin(1, TRADES), written(2, TRADES, 7, 7), presented(2.5, TRADES, 7), over(3), entry,
    ]  # fmt: skip
    entries.sort(key=lambda one: one.t)
    assert messages(*entries) == []


def test_each_pair_of_landmarks_is_judged_by_itself() -> None:
    first = (begin(1, TRADES), written(2, TRADES, 7, 7), presented(2.1, TRADES, 7), over(3))
    second = (presented(19, ARRAY, 0), begin(20, ARRAY), written(21, ARRAY, 1, 1), over(22))
    assert messages(*first, *second) == [
        f"{ARRAY}: 1 events were written and 0 presented within 5.0 s"
    ]
    left = (begin(1, TRADES), presented(1, TRADES, 6), written(2, TRADES, 7, 7), over(3))
    assert messages(*left, begin(4, ARRAY)) == [], "who goes on has not waited"


def test_a_stream_without_ids_of_which_nothing_is_ever_presented_is_left_out() -> None:
    entries = (begin(1, TRADES, ARRAY), written(2, ARRAY, 1, 1), presented(2, TRADES, 6), over(3))
    assert messages(*entries) == []


def test_who_presents_nothing_at_all_is_not_judged_and_not_passed() -> None:
    entries = (begin(1, TRADES), written(2, TRADES, 7, 7), over(3), OVER)
    assert AllPresented().judge(made(*entries)) == []
    said = AllPresented().unmet(made(*entries))
    assert said == "it lists `event` under `supports`, and presented none"
    assert AllPresented().unmet(made(*entries, presented(200, TRADES, 7))) == ""
    assert AllPresented().unmet(made(OVER)) == "", "at level 0 nothing is asked"


def test_the_view_says_what_is_missing_now() -> None:
    view = Presenting()
    for entry in (begin(1, TRADES, ARRAY), written(2, TRADES, 7, 7), written(2, ARRAY, 1, 1)):
        view.apply(entry)
    assert set(view.missing()) == {TRADES}, "nothing of the other one was presented so far"
    for number in (1, 2):
        view.apply(written(2, ARRAY, number, number, step=number))
    view.apply(presented(3, ARRAY, 0))
    assert set(view.missing()) == {TRADES, ARRAY}
    view.apply(presented(3, TRADES, 7))
    view.apply(Said(t=3, run=1, method="state", params={"state": "live"}))
    assert set(view.missing()) == {ARRAY}
