"""The driver that runs published clients: what it counts as good, and that it sees what is not."""

import importlib.util
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mockex.server.journal import (
    AnyEntry,
    Closed,
    Pinged,
    Ponged,
    Refused,
    Requested,
    Subscribed,
    Upgraded,
)

ROOT = Path(__file__).resolve().parents[2]

TRUE = (
    [(Decimal("2.00"), Decimal("1.5")), (Decimal("1.99"), Decimal(3))],
    [(Decimal("2.01"), Decimal(4))],
)

# A client of our own: it holds pictures of one book, and shows them, the n-th changed by `CHANGE`.
PROGRAM = """
import asyncio, json, os
from websockets.asyncio.client import connect

def say(what, **facts):
    print(json.dumps({"say": what, **facts}), flush=True)

async def main():
    symbol = os.environ["MOCKEX_SYMBOLS"].split(",")[0]
    stream = symbol.lower() + "@depth5@100ms"
    say("hello", client="ours", version="1")
    say("offers", streams=[stream])
    say("asks", calls=[])
    async with connect(os.environ["MOCKEX_WS_URL"] + "/ws/" + stream) as socket:
        n = 0
        async for text in socket:
            picture = json.loads(text)
            n += 1
            say("data", stream=stream)
            bids = picture["bids"]
            CHANGE
            say("book", stream=stream, symbol=symbol, id=picture["lastUpdateId"], levels=5,
                bids=bids, asks=picture["asks"])

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def clients() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ci_clients", ROOT / "ci" / "clients.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    vars(module)["BEGINS_S"] = 0.0  # the client here asks for no trades
    return module


@pytest.fixture
def heard(clients: ModuleType) -> Any:
    return clients.Heard(
        true_book=lambda symbol, update_id: TRUE, id_at=lambda symbol, at: int(at) // 10
    )


@pytest.fixture
def tell(heard: Any) -> Callable[..., None]:
    def told(what: str, now_s: float = 0.0, **facts: Any) -> None:
        heard.hear(json.dumps({"say": what, **facts}), now_s)

    return told


BIDS, ASKS = [["2.0", "1.50"], ["1.990", "3"]], [["2.01", "4.000"]]
RIGHT = {"stream": "a@depth", "symbol": "A", "id": 7, "levels": None, "bids": BIDS, "asks": ASKS}
WRONG = {**RIGHT, "bids": [["2.0", "1.51"], ["1.99", "3"]]}


def test_books_are_compared_as_numbers(clients: ModuleType) -> None:
    assert clients.difference(BIDS, ASKS, TRUE, None) is None
    floats = json.loads("[[2.0, 1.5], [1.99, 3.0]]", parse_float=Decimal)
    assert clients.difference(floats, ASKS, TRUE, None) is None


@pytest.mark.parametrize(
    ("bids", "asks", "told"),
    [
        ([["2", "1.51"], ["1.99", "3"]], ASKS, "bid 1 is 2 x 1.51, not 2.00 x 1.5"),
        ([["2", "1.5"]], ASKS, "1 bids, not 2"),
        ([*BIDS, ["1.98", "1"]], ASKS, "3 bids, not 2"),
        (BIDS, [["2.02", "4"]], "ask 1 is 2.02 x 4, not 2.01 x 4"),
        (BIDS, [], "0 asks, not 1"),
    ],
)
def test_a_book_that_differs_is_told_by_its_first_level(
    clients: ModuleType, bids: list[list[str]], asks: list[list[str]], told: str
) -> None:
    assert clients.difference(bids, asks, TRUE, None) == told


def test_a_book_is_compared_as_deep_as_the_client_keeps_it(clients: ModuleType) -> None:
    assert clients.difference(BIDS[:1], ASKS, TRUE, 1) is None
    assert clients.difference(BIDS, ASKS, TRUE, 1) == "2 bids, not 1"


def test_a_client_that_got_all_is_complete_and_without_findings(
    heard: Any, tell: Callable[..., None]
) -> None:
    tell("hello", client="ours", version="1.0")
    tell("offers", streams=["a@trade"])
    tell("asks", calls=["time"])
    tell("data", stream="a@trade")
    tell("rest", call="time")
    tell("book", now_s=1.0, **RIGHT)
    assert not heard.complete(60.0)
    tell("book", now_s=61.0, **RIGHT)
    assert heard.complete(60.0)
    assert heard.findings(60.0) == []
    assert heard.client == "ours 1.0"


def test_what_never_came_is_a_finding(heard: Any, tell: Callable[..., None]) -> None:
    tell("offers", streams=["a@trade", "a@depth"])
    tell("asks", calls=["time", "depth"])
    tell("data", stream="a@depth")
    tell("rest", call="depth")
    assert not heard.complete(0.0)
    assert heard.findings(0.0) == ["a@trade: no data", "time: no answer", "showed no book"]


def test_a_program_that_says_nothing_is_a_finding(heard: Any) -> None:
    assert not heard.complete(0.0)
    assert "said no streams" in heard.findings(0.0)


def test_a_wrong_book_is_a_finding_once_it_was_right(heard: Any, tell: Callable[..., None]) -> None:
    tell("book", now_s=0.0, **WRONG)
    tell("book", now_s=1.0, **RIGHT)
    tell("book", now_s=2.0, **WRONG)
    tell("book", now_s=3.0, **RIGHT)
    (watch,) = heard.books.values()
    assert (watch.unsettled, watch.right, watch.span_s) == (1, 2, 2.0)
    assert "book of A by a@depth at id 7: bid 1 is 2.0 x 1.51, not 2.00 x 1.5" in heard.findings(
        2.0
    )


def test_a_book_that_is_never_right_is_a_finding(
    clients: ModuleType, heard: Any, tell: Callable[..., None]
) -> None:
    tell("book", now_s=clients.SETTLE_S + 1, **WRONG)
    found = heard.findings(60.0)
    assert any("at id 7" in text for text in found)
    assert "book of A by a@depth: right for 0.0 s, not 60 s" in found


def test_a_book_may_be_named_by_the_time_of_its_last_event(
    clients: ModuleType,
) -> None:
    asked: list[tuple[str, int]] = []

    def book(symbol: str, update_id: int) -> Any:
        asked.append((symbol, update_id))
        return TRUE

    heard = clients.Heard(true_book=book, id_at=lambda symbol, at: at // 10)
    said = {key: value for key, value in RIGHT.items() if key != "id"} | {"at": 1230}
    heard.hear(json.dumps({"say": "book", **said}), 0.0)
    assert asked == [("A", 123)]


def test_errors_of_the_client_are_findings(heard: Any, tell: Callable[..., None]) -> None:
    tell("problem", text="closed")
    tell("rest", call="time", error="HTTP 404\nmore")
    heard.hear("Traceback\n", 0.0)
    heard.hear('["say"]', 0.0)
    assert heard.problems == [
        "closed",
        "time: HTTP 404",
        "not a line of the protocol: Traceback",
        'not a line of the protocol: ["say"]',
    ]


def test_notes_are_no_findings(heard: Any, tell: Callable[..., None]) -> None:
    tell("note", text="another snapshot")
    tell("note", text="another snapshot")
    assert heard.notes == {"another snapshot": 2}
    assert heard.problems == []


def test_what_the_exchange_refused_is_a_finding(clients: ModuleType) -> None:
    entries: list[AnyEntry] = [
        Requested(t=0, method="GET", target="/x", status=404, weight=1, used_weight=1),
        Requested(t=0, method="GET", target="/y", status=200, weight=1, used_weight=1),
        Closed(t=0, conn=1, by="server", code=1008, reason="Too many requests"),
        Closed(t=0, conn=2, by="client", code=1000),
        Refused(t=0, conn=3, target="/z", status=404, reason="Not Found"),
    ]
    assert clients.refusals(entries) == [
        "GET /x was answered with 404",
        "the exchange closed a connection: 1008 'Too many requests'",
        "handshake for '/z' was refused with 404",
    ]


def test_streams_that_stay_silent_are_named(clients: ModuleType) -> None:
    entries = [
        Subscribed(t=0, conn=1, streams=["b", "a", "c"], via="url", silent=["b", "a"]),
        Subscribed(t=0, conn=2, streams=["a"], via="request", silent=["a"]),
    ]
    assert clients.silent_streams(entries) == ["a", "b"]


def test_pongs_are_told_apart_by_their_payload(clients: ModuleType) -> None:
    deflate = "permessage-deflate; server_no_context_takeover"
    entries: list[AnyEntry] = [
        Upgraded(t=0, conn=1, target="/ws", route="", mode="raw"),
        Upgraded(t=0, conn=2, target="/ws", route="", mode="raw", extensions=deflate),
        Pinged(t=1, conn=1, payload="61"),
        Pinged(t=1, conn=2, payload="62"),
        Ponged(t=2, conn=1, payload="61"),
        Ponged(t=2, conn=2, payload="61"),
        Ponged(t=2, conn=2, payload=""),
    ]
    assert clients.connections(entries) == (
        "2 connections, 1 of them deflated; 2 pings, 1 pongs with their payload, 2 other pongs"
    )


async def run(clients: ModuleType, tmp_path: Path, change: str) -> Any:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("CHANGE", change))
    client = clients.Client("ours", "program.py", ("spot",))
    command = [sys.executable, str(program)]
    return await clients.run(client, command, "spot", 0.3, 7, patience_s=60)


async def test_a_client_that_shows_the_true_book_passes(
    clients: ModuleType, tmp_path: Path
) -> None:
    outcome = await run(clients, tmp_path, "pass")
    assert outcome.findings == []
    assert outcome.client == "ours 1"
    assert "1 of 1 streams had data" in outcome.lines[0]


async def test_a_client_that_shows_another_book_now_and_then_fails(
    clients: ModuleType, tmp_path: Path
) -> None:
    outcome = await run(clients, tmp_path, "bids[0][1] = bids[0][1] if n % 2 else '0.001'")
    assert any("x 0.001, not" in text for text in outcome.findings)


async def test_a_program_that_ends_is_a_finding(clients: ModuleType, tmp_path: Path) -> None:
    outcome = await run(clients, tmp_path, "raise SystemExit('out of order')")
    assert outcome.findings[-1].startswith("the program ended with exit code 1: ")
    assert "out of order" in outcome.findings[-1]
