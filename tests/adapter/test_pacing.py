"""When to send, and what to ask for."""

from __future__ import annotations

import itertools
from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from mockex_adapter.exchange import MAX_REQUEST_BYTES
from mockex_adapter.pacing import Ledger, Pacer, Request


def ledger() -> Ledger:
    return Ledger(itertools.count(1))


def ask(book: Ledger, wanted: list[str], suspects: Collection[str], now: float) -> Request:
    request = book.next_request(wanted, suspects, now)
    assert request is not None
    return request


@given(st.lists(st.floats(0, 0.7), min_size=1, max_size=60), st.integers(1, 6))
def test_no_window_holds_more_than_the_limit(pauses: list[float], limit: int) -> None:
    pacer, now, sent = Pacer(limit), 0.0, list[float]()
    for pause in pauses:
        now += pause
        now += pacer.delay_s(now)
        pacer.count(now)
        sent.append(now)
    for first, last in zip(sent, sent[limit:], strict=False):
        assert last - first >= 1.0 - 1e-9


def test_requests_stay_below_the_size_that_the_exchange_reads() -> None:
    names = [f"symbol{n}usdt@depth5@100ms" for n in range(400)]
    book, seen = ledger(), list[str]()
    while request := book.next_request(names, (), 0.0):
        assert len(request.to_json().encode()) < MAX_REQUEST_BYTES
        seen += request.names
    assert seen == names


def test_symbols_outside_ascii_are_counted_in_bytes() -> None:
    names = ["这是测试币456@trade" for _ in range(400)]
    request = ledger().next_request(names, (), 0.0)
    assert request is not None
    assert len(request.to_json().encode()) < MAX_REQUEST_BYTES


def test_only_the_difference_is_asked_for() -> None:
    book = ledger()
    first = ask(book, ["a", "b"], (), 0.0)
    assert (first.id, first.method, first.names) == (1, "SUBSCRIBE", ("a", "b"))
    assert book.next_request(["a", "b"], (), 0.0) is None
    gone = ask(book, ["b", "c"], (), 0.0)
    assert (gone.method, gone.names) == ("UNSUBSCRIBE", ("a",))
    new = ask(book, ["b", "c"], (), 0.0)
    assert (new.method, new.names) == ("SUBSCRIBE", ("c",))


def test_complete_means_asked_and_answered() -> None:
    book = ledger()
    request = ask(book, ["a"], (), 0.0)
    assert not book.complete(["a"])
    assert book.answered(99) is None
    assert book.answered("1") is None
    assert book.answered(request.id) is request
    assert book.complete(["a"])


def test_error_without_id_belongs_to_the_oldest_request() -> None:
    book = ledger()
    first = ask(book, ["a"], (), 0.0)
    book.next_request(["a", "b"], (), 0.0)
    assert book.refused(None) is first
    assert book.refused(77) is None


def test_suspects_are_asked_for_one_by_one_and_after_the_others() -> None:
    book, wanted, suspects = ledger(), ["x", "y", "z"], {"x", "y"}
    good = ask(book, wanted, suspects, 0.0)
    assert good.names == ("z",)
    assert book.next_request(wanted, suspects, 0.0) is None
    book.answered(good.id)
    one = ask(book, wanted, suspects, 0.0)
    assert one.names == ("x",)
    book.answered(one.id)
    assert ask(book, wanted, suspects, 0.0).names == ("y",)


def test_unanswered_request_is_asked_again_once() -> None:
    book = ledger()
    book.next_request(["a", "b"], (), 0.0)
    assert not book.overdue(3.9, 4.0, ())
    assert not book.overdue(4.0, 4.0, {"b"})
    assert ask(book, ["a", "b"], (), 4.0).names == ("a",)
    assert book.overdue(8.0, 4.0, {"b"})


def test_events_settle_a_request_as_well_as_an_answer() -> None:
    book = ledger()
    book.next_request(["a"], (), 0.0)
    assert not book.overdue(4.0, 4.0, {"a"})
    assert book.complete(["a"])


def test_asking_again_is_an_unsubscription_and_then_a_subscription() -> None:
    book = ledger()
    book.answered(ask(book, ["a"], (), 0.0).id)
    assert book.again("a", 1.0).method == "UNSUBSCRIBE"
    assert ask(book, ["a"], (), 1.0).method == "SUBSCRIBE"
