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
    Subscribed,
    Unsubscribed,
    Upgraded,
)
from mockex_conformance.checks import OthersUntouched, SameEndpoint
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
