"""The checks on events that reach the consumer, on recordings made by hand: each seen to fail."""

from __future__ import annotations

import pytest

from mockex.server.journal import (
    AnyEntry,
    Asked,
    Batch,
    Delivered,
    Lagged,
    Launched,
    Noted,
    Requested,
    Said,
)
from mockex_conformance.checks import OnceInOrder, Presented
from tests.conformance.checks.made import OVER, made

TRADES = "ethusdc@aggTrade"
BOOKS = "ethusdc@depth5@100ms"


def sent(first: int, last: int, stream: str = TRADES, t: float = 0.5) -> Delivered:
    batch = Batch(first_id=first, last_id=last, events=last - first + 1, bytes=100)
    return Delivered(t=t, audience=1, step=1, streams={stream: batch})


def event(number: int, stream: str = TRADES, t: float = 1.0) -> Said:
    return Said(t=t, run=1, method="event", params={"stream": stream, "id": number})


def gap(after: int | None, before: int | None, stream: str = TRADES) -> Said:
    params = {"stream": stream, "after": after, "before": before}
    return Said(t=1.0, run=1, method="gap", params=params)


def asked(method: str, *streams: str) -> Asked:
    params = {"streams": list(streams)} if streams else {}
    return Asked(t=1.0, run=1, id=1, method=method, params=params)


def fetched(path: str, status: int = 200) -> Requested:
    return Requested(t=0.7, method="GET", target=path, status=status, weight=1, used_weight=1)


def wrong(*entries: AnyEntry) -> list[str]:
    """What is found where trades 1 to 99 were sent before."""
    return judged(sent(1, 99), sent(1, 99, BOOKS), *entries)


def judged(*entries: AnyEntry) -> list[str]:
    return [found.message for found in OnceInOrder().judge(made(*entries, OVER))]


def test_trades_in_order_are_right() -> None:
    assert wrong(event(5), event(6), event(7)) == []


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ((5, 5), "event 5 was presented twice"),
        ((5, 6, 4), "event 4 was presented after 6"),
        ((5, 7), "6 skipped without a word before 7"),
        ((5, 9), "6 to 8 skipped without a word before 9"),
    ],
)
def test_twice_backwards_and_skipped_are_found(ids: tuple[int, ...], message: str) -> None:
    assert wrong(*map(event, ids)) == [f"{TRADES}: {message}"]


def test_only_the_first_of_each_stream_is_told() -> None:
    found = wrong(event(5), event(7), event(9), event(5, BOOKS), event(4, BOOKS))
    assert found == [
        f"{TRADES}: 6 skipped without a word before 7",
        f"{BOOKS}: event 4 was presented after 5",
    ]


@pytest.mark.parametrize(("after", "before"), [(5, 9), (5, None), (None, 9), (None, None), (3, 12)])
def test_a_hole_that_is_announced_is_right(after: int | None, before: int | None) -> None:
    assert wrong(event(5), gap(after, before), event(9), event(10)) == []


def test_a_gap_is_for_one_hole_of_one_stream() -> None:
    assert wrong(event(5), gap(5, 9), event(9), event(11)) != []
    assert wrong(event(5), gap(None, None), event(6), event(9)) != []
    assert wrong(event(5), gap(5, 9, BOOKS), event(9)) != []
    assert wrong(event(5), event(9), gap(5, 9)) != []  # too late


@pytest.mark.parametrize(
    ("gaps", "untold"),
    [
        ([(5, 8)], "8"),
        ([(6, 9)], "6"),
        ([(5, 7), (8, 12)], "7 to 8"),
        ([(9, 12)], "6 to 9"),
        ([(11, 15)], "6 to 9"),
    ],
)
def test_what_a_gap_leaves_out_is_skipped_without_a_word(
    gaps: list[tuple[int, int]], untold: str
) -> None:
    number = 9 if len(gaps) == 1 and gaps[0][0] < 9 else 10
    found = wrong(event(5), *(gap(*ids) for ids in gaps), event(number))
    assert found == [f"{TRADES}: {untold} skipped without a word before {number}"]


def test_several_gaps_may_tell_of_one_hole_in_any_order() -> None:
    assert wrong(event(5), gap(7, 10), gap(5, 8), event(10)) == []


def test_a_gap_may_be_said_while_events_from_before_it_still_wait() -> None:
    assert wrong(event(4), gap(6, 9), event(5), event(6), event(9)) == []


@pytest.mark.parametrize(
    "again",
    [
        asked("subscribe", TRADES),
        asked("close"),
        asked("start"),
        Launched(t=1.0, run=2, pid=2, command=[], streams=[], mode="combined"),
    ],
)
def test_a_stream_that_is_asked_for_anew_begins_anew(again: AnyEntry) -> None:
    assert wrong(event(5), again, event(9)) == []
    assert wrong(event(5), again, event(9), event(11)) != []
    assert wrong(event(5), again, event(4)) != []


def test_ids_of_books_may_have_holes_and_not_go_back() -> None:
    assert wrong(event(5, BOOKS), event(9, BOOKS), event(200, BOOKS)) == []
    assert wrong(event(5, BOOKS), event(5, BOOKS)) != []


def test_where_events_have_no_ids_nothing_is_judged() -> None:
    assert wrong(event(5, BOOKS), event(0, BOOKS), event(0, BOOKS), event(6, BOOKS)) == []
    assert wrong(event(0)) != []  # trades do have ids


def test_an_id_that_was_not_sent_is_found() -> None:
    assert judged(sent(5, 7), event(8)) == [f"{TRADES}: event 8 was presented; 5 to 7 was sent"]
    assert judged(sent(5, 5), event(4)) == [f"{TRADES}: event 4 was presented; 5 was sent"]
    assert judged(event(1)) == [f"{TRADES}: event 1 was presented before any was sent"]
    assert judged(sent(5, 6), event(5), event(6), sent(7, 7), event(7)) == []


def test_who_fetches_trades_may_have_them_before_they_are_sent() -> None:
    path = "/fapi/v1/aggTrades?symbol=ETHUSDC&fromId=4"
    assert judged(sent(5, 6), fetched(path), *map(event, range(4, 9))) == []
    for other in (fetched(path, 429), fetched("/fapi/v1/depth?symbol=trades")):
        assert len(judged(sent(5, 6), other, event(7))) == 1


def test_without_a_hole_on_the_wire_there_is_nothing_to_judge() -> None:
    whole = made(sent(1, 5), sent(4, 6), sent(7, 8), sent(1, 2, BOOKS), sent(9, 9, BOOKS))
    assert "nothing to tell" in OnceInOrder(holes=True).unmet(whole)
    assert OnceInOrder().unmet(whole) == ""
    assert OnceInOrder(holes=True).unmet(made(sent(1, 5), sent(7, 8))) == ""


def must_present(number: int) -> Noted:
    return Noted(t=2.0, name="must-present", detail={"sent": {TRADES: number}, "within_s": 3.0})


def late(*entries: AnyEntry) -> list[str]:
    return [found.message for found in Presented().judge(made(*entries, OVER))]


def test_what_is_presented_in_time_is_right() -> None:
    assert late(must_present(7), event(7, t=4.9)) == []
    assert late(must_present(7), event(9, t=4.9)) == []
    assert late(event(8), must_present(7)) == []
    assert late(event(1)) == []


def test_what_is_not_presented_in_time_is_found() -> None:
    why = f"{TRADES}: 7 was sent, and within 3.0 s neither it nor a later one was presented"
    assert late(must_present(7)) == [f"{why}; there was none"]
    assert late(event(6), must_present(7), event(7, t=5.1)) == [f"{why}; the last one was 6"]
    assert late(must_present(7), event(9, BOOKS, t=2.1)) == [f"{why}; there was none"]


def test_as_late_as_our_own_loop_was_nothing_is_late() -> None:
    assert late(must_present(7), Lagged(t=3.0, late_s=1.0), event(7, t=5.9)) == []
    assert len(late(must_present(7), Lagged(t=3.0, late_s=1.0), event(7, t=6.1))) == 1
