"""The checks on what replaces a lost connection, on recordings made by hand: each seen to fail."""

from __future__ import annotations

import pytest

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Closed,
    Ended,
    Faulted,
    HalfClosed,
    Lagged,
    Noted,
    Pinged,
    Ponged,
    Subscribed,
    Unsubscribed,
    Upgraded,
)
from mockex_conformance.checks import LagGone, OnePerChange, OthersUntouched, SameEndpoint
from mockex_conformance.checks.base import Check
from tests.conformance.checks.made import OVER, made

BOOK, TRADES = "ethusdc@depth5@100ms", "ethusdc@aggTrade"
HOST = "127.0.0.1:9443"
INJECTED = Faulted(t=2, fault=1, kind="Reset", phase="injected")
SEEN = Faulted(t=2, fault=1, kind="Reset", phase="seen", conns=[1])


def messages(check: Check, *entries: AnyEntry) -> list[str]:
    return [found.message for found in check.judge(made(*entries, OVER))]


def connect(
    t: float,
    conn: int,
    stream: str,
    *,
    route: str = "/public",
    mode: str = "combined",
    host: str = HOST,
    via: str = "url",
    silent: bool = False,
) -> list[AnyEntry]:
    return [
        Attempted(t=t, conn=conn, peer_port=conn),
        Upgraded(
            t=t, conn=conn, target=route, route=route, mode=mode,  # type: ignore[arg-type]
            headers={"host": host},
        ),
        Subscribed(
            t=t, conn=conn, streams=[stream], via=via,  # type: ignore[arg-type]
            silent=[stream] if silent else [],
        ),
    ]  # fmt: skip


BOTH: list[AnyEntry] = [*connect(1, 1, BOOK), *connect(1, 2, TRADES, route="/market")]
LOST: list[AnyEntry] = [INJECTED, Ended(t=2, conn=1, by="server", how="rst"), SEEN]


# --- the endpoint ---


def test_the_same_endpoint_is_right_whether_by_url_or_by_request() -> None:
    assert messages(SameEndpoint(), *BOTH, *LOST, *connect(3, 3, BOOK, via="request")) == []


def test_what_is_new_before_the_first_loss_is_nobodys_fault() -> None:
    assert messages(SameEndpoint(), *BOTH) == []


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ({"route": ""}, f"{HOST}/ (combined)"),
        ({"mode": "raw"}, f"{HOST}/public (raw)"),
        ({"host": "localhost:9443"}, "localhost:9443/public (combined)"),
    ],
)
def test_another_route_mode_or_host_is_found_with_both_endpoints(
    where: dict[str, str], shown: str
) -> None:
    again = connect(3, 3, BOOK, **where)  # type: ignore[arg-type]
    assert messages(SameEndpoint(), *BOTH, *LOST, *again) == [
        f"c3 went to {shown}; before the loss it was {HOST}/market (combined) and "
        f"{HOST}/public (combined)"
    ]


def test_a_stream_that_moves_to_the_other_route_is_found() -> None:
    again = connect(3, 3, TRADES, silent=True)
    assert messages(SameEndpoint(), *BOTH, *LOST, *again) == [
        f"{TRADES} was asked for at {HOST}/public (combined) on c3, which does not carry it; "
        f"before the loss it was {HOST}/market (combined)"
    ]
    raw = connect(1, 9, "btcusdc@trade", mode="raw")
    assert messages(SameEndpoint(), *BOTH, *raw, *LOST, *connect(3, 3, BOOK, mode="raw")) == [
        f"{BOOK} was asked for at {HOST}/public (raw) on c3; "
        f"before the loss it was {HOST}/public (combined)"
    ]
    new_stream = connect(3, 3, "btcusdc@aggTrade")
    assert messages(SameEndpoint(), *BOTH, *LOST, *new_stream) == []


# --- the others ---


@pytest.mark.parametrize(
    ("touch", "what"),
    [
        (Closed(t=3, conn=2, by="client", code=1000), "ended"),
        (HalfClosed(t=3, conn=2, by="client"), "ended"),
        (Ended(t=3, conn=2, by="client", how="rst"), "ended"),
        (Subscribed(t=3, conn=2, streams=[TRADES], via="request"), "subscribed anew on"),
        (Unsubscribed(t=3, conn=2, streams=[TRADES]), "unsubscribed on"),
    ],
)
def test_whatever_the_testee_does_to_another_connection_is_found(
    touch: AnyEntry, what: str
) -> None:
    assert messages(OthersUntouched(), *BOTH, *LOST, touch) == [
        f"the testee {what} c2, which nothing had happened to"
    ]


def test_the_lost_one_and_its_replacement_are_the_testees_own() -> None:
    entries: list[AnyEntry] = [*connect(3, 3, BOOK), Closed(t=4, conn=3, by="client", code=1000)]
    assert messages(OthersUntouched(), *BOTH, *LOST, *entries) == []
    answered = Closed(t=2.1, conn=1, by="client", code=1000)
    assert messages(OthersUntouched(), *BOTH, INJECTED, SEEN, answered) == []
    assert messages(OthersUntouched(), *BOTH, Closed(t=1, conn=2, by="client", code=1000)) == []


def test_what_the_exchange_does_to_another_connection_is_not_the_testees_doing() -> None:
    ended = Ended(t=3, conn=2, by="server", how="rst")
    assert messages(OthersUntouched(), *BOTH, *LOST, ended) == []


# --- a line that changes ---


def changed(t: float, what: str = "thin") -> Noted:
    return Noted(t=t, name="line-changed", detail={"what": what})


def replaced(*entries: AnyEntry) -> list[str]:
    recording = made(*entries, OVER, limits={"handshake_timeout_ms": 10_000.0})
    return [found.message for found in OnePerChange().judge(recording)]


def lost_to(t: float, old: int, new: int) -> list[AnyEntry]:
    return [Ended(t=t, conn=old, by="client", how="fin"), *connect(t + 0.5, new, BOOK)]


def test_one_replacement_for_each_change_of_the_line_is_right() -> None:
    thin, clear = changed(2), changed(10, "clear")
    assert replaced(*connect(1, 1, BOOK), thin, clear) == []
    assert replaced(*connect(1, 1, BOOK), thin, *lost_to(3, 1, 2), clear, *lost_to(11, 2, 3)) == []
    late: list[AnyEntry] = [*lost_to(11, 1, 2), *lost_to(12, 2, 3)]
    assert replaced(*connect(1, 1, BOOK), thin, clear, *late) == [], "who comes back late"


def test_each_of_two_connections_may_be_replaced() -> None:
    both = [*lost_to(3, 1, 3), *lost_to(3, 2, 4)]
    assert replaced(*BOTH, changed(2), *both) == []
    assert replaced(*BOTH, changed(2), *both, *lost_to(4, 3, 5)) == [
        "3 new connections (c3, c4, c5) on a line that became thin; 2 would have been one for "
        "each of 2 at each change"
    ]


def test_replacements_that_go_on_are_all_counted_and_found_at_the_first_surplus() -> None:
    storm = [entry for n in range(2, 9) for entry in lost_to(n + 1, n - 1, n)]
    recording = made(
        *connect(1, 1, BOOK), changed(2), *storm, changed(20, "clear"), OVER,
        limits={"handshake_timeout_ms": 10_000.0},
    )  # fmt: skip
    (found,) = OnePerChange().judge(recording)
    assert found.message == (
        "7 new connections (c2, c3, c4, c5, c6 and 2 more) on a line that became thin and then "
        "clear; 2 would have been one for each of 1 at each change"
    )
    assert found.at_s == 4.5


def test_connections_before_the_line_changes_are_not_counted() -> None:
    before = [*connect(1, 1, BOOK), *lost_to(1.1, 1, 2), *lost_to(1.7, 2, 3)]
    assert replaced(*before, changed(3), *lost_to(4, 3, 4)) == []


def test_a_handshake_that_we_answered_late_ourselves_is_not_counted() -> None:
    twice = [*lost_to(13, 1, 2), *lost_to(14, 2, 3)]
    assert replaced(*connect(1, 1, BOOK), changed(2), *twice)
    assert replaced(*connect(1, 1, BOOK), changed(2), Lagged(t=7, late_s=6), *twice) == []


def clear(t: float) -> Noted:
    return Noted(t=t, name="line-clear", detail={"streams": [BOOK], "within_s": 5.0})


def ping(t: float, conn: int, payload: str = "aa") -> Pinged:
    return Pinged(t=t, conn=conn, payload=payload)


def pong(t: float, conn: int, payload: str = "aa") -> Ponged:
    return Ponged(t=t, conn=conn, payload=payload)


LATE = [
    f"{BOOK}: 5.0 s after the line was clear no ping of then was answered where it is delivered"
]


def test_a_ping_that_is_answered_after_the_line_is_clear_shows_that_the_lag_is_gone() -> None:
    began = connect(1, 1, BOOK)
    assert messages(LagGone(), *began, clear(2), ping(2, 1), pong(6.9, 1)) == []
    assert messages(LagGone(), *began, clear(2), ping(2, 1), pong(7.1, 1)) == LATE
    lagged = Lagged(t=6, late_s=1.0)
    assert messages(LagGone(), *began, clear(2), ping(2, 1), lagged, pong(7.1, 1)) == []


@pytest.mark.parametrize(
    "entries",
    [
        [ping(1.5, 1), clear(2), pong(3, 1)],
        [clear(2), ping(2, 1), pong(3, 1, "bb")],
        [clear(2), ping(2, 1), *lost_to(3, 1, 2)],
        [clear(2), *connect(2, 2, TRADES), ping(2, 2), pong(3, 2)],
    ],
    ids=["a ping of before", "another payload", "of a lost connection", "another stream"],
)
def test_what_says_nothing_of_the_line_as_it_is_now_is_no_answer(entries: list[AnyEntry]) -> None:
    assert messages(LagGone(), *connect(1, 1, BOOK), *entries) == LATE


def test_each_of_k_deliveries_must_answer_and_more_streams_are_counted() -> None:
    two = [*connect(1, 1, BOOK), *connect(1, 2, BOOK)]
    landmark = Noted(t=2, name="line-clear", detail={"streams": [BOOK, TRADES], "within_s": 5.0})
    entries = [*two, clear(2), ping(2, 1), pong(2, 1), ping(2, 2)]
    assert LagGone().judge(made(*entries, pong(3, 2), OVER, k=2)) == []
    assert [f.message for f in LagGone().judge(made(*entries, OVER, k=2))] == LATE
    (message,) = messages(LagGone(), *two, landmark)
    assert message.startswith(f"{BOOK} and 1 more: 5.0 s after the line was clear")


def test_a_line_that_never_became_clear_is_not_judged() -> None:
    assert messages(LagGone(), *connect(1, 1, BOOK), ping(2, 1)) == []
