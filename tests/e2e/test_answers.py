"""Answers on the wire: their order, their form, and what does no harm."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from mockex.server.journal import Refused

DEPTH = "ethusdc@depth5@100ms"
Make = Callable[..., Any]


@pytest.mark.rule("spot-2.20", "spot-2.19")
async def test_answers_and_errors_are_never_wrapped_and_events_always(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange("spot")
    client = await raw(exchange.ws_port)
    await client.upgrade(f"/stream?streams={DEPTH}")
    for request in (b'{"method":"GET_PROPERTY","params":["combined"],"id":1}', b'{"id":2}'):
        await client.send_frame(1, request)
    said = [json.loads(await client.text())]
    while "error" not in said[-1]:
        said.append(json.loads(await client.text()))
    events = [message for message in said if "stream" in message]
    assert all(list(event) == ["stream", "data"] for event in events)
    answers = [message for message in said if "stream" not in message]
    assert answers[0] == {"result": True, "id": 1}
    assert list(answers[1]) == ["error", "id"]


@pytest.mark.rule("spot-4.2.13", "usdm-4.0")
@pytest.mark.parametrize("profile", ["spot", "usdm"])
async def test_requests_sent_at_once_are_answered_in_their_order(
    make_exchange: Make, raw: Make, profile: str
) -> None:
    exchange = await make_exchange(profile, settings={"incoming_per_s": None})
    client = await raw(exchange.ws_port)
    await client.upgrade("/ws")
    methods = ["LIST_SUBSCRIPTIONS", "SUBSCRIBE", "UNSUBSCRIBE"]
    for number in range(30):
        request = {"method": methods[number % 3], "id": number}
        if number % 3:
            request["params"] = ["nosuch@trade"]
        await client.send_frame(1, json.dumps(request).encode())
    assert [json.loads(await client.text())["id"] for _ in range(30)] == list(range(30))


@pytest.mark.rule("spot-3.1.6", "spot-3.1.7", "spot-10.11", "usdm-3.1.4")
@pytest.mark.parametrize("profile", ["spot", "usdm"])
async def test_pongs_before_the_first_ping_do_no_harm_and_pings_are_answered(
    make_exchange: Make, raw: Make, profile: str
) -> None:
    exchange = await make_exchange(profile)
    client = await raw(exchange.ws_port)
    await client.upgrade("/ws")
    for payload in (b"", b"unasked"):
        await client.send_frame(10, payload)
    await client.send_frame(9, b"are you there")
    assert await client.frame() == (10, b"are you there")


@pytest.mark.rule("usdm-3.2.5")
async def test_two_hundred_names_in_one_request_are_fine(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    client = await raw(exchange.ws_port)
    await client.upgrade("/ws")
    names = [f"s{number:03d}usdt@trade" for number in range(200)]
    request = json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}, separators=(",", ":"))
    assert len(request) < 4096
    await client.send_frame(1, request.encode())
    assert json.loads(await client.text()) == {"result": None, "id": 1}
    await client.send_frame(1, b'{"method":"LIST_SUBSCRIPTIONS","id":2}')
    assert json.loads(await client.text()) == {"result": names, "id": 2}


@pytest.mark.rule("spot-1.5", "spot-3.5.5", "usdm-1.5")
@pytest.mark.parametrize(("profile", "refused"), [("spot", True), ("usdm", False)])
async def test_the_attempt_beyond_the_limit_is_refused_on_spot_and_on_usdm_if_it_is_wanted(
    make_exchange: Make, raw: Make, profile: str, refused: bool
) -> None:
    for settings, expected in (({}, refused), ({"attempts_limit": 3}, True)):
        exchange = await make_exchange(profile, settings=settings)
        limit = exchange.profile.attempts_limit or 300

        async def attempt(port: int = exchange.ws_port) -> tuple[int, str]:
            client = await raw(port)
            await client.ask("/ws")
            answer: tuple[int, str] = await client.head()
            client.close()
            return answer

        for _ in range(limit):
            assert (await attempt())[0] == 101
        status, head = await attempt()
        assert status == (429 if expected else 101)
        if expected:
            assert 290 <= int(head.lower().partition("retry-after: ")[2].split()[0]) <= 300
            await asyncio.sleep(0)
            (entry,) = exchange.journal.of(Refused)
            assert entry.status == 429
