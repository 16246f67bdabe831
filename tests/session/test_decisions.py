"""The decision tables, row by row and for both profiles: a rule, an input, its effects.

Written out here as values, so that a table that is changed by mistake disagrees with this page.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from mockex.clock import Clock
from mockex.names import Kind
from mockex.profile import SPOT, USDM, Profile
from mockex.session.core import Session
from mockex.session.decisions import ANSWERS, IDS, PONGS, REFUSALS, Attempt, Case, IdShape
from mockex.session.effects import (
    Close,
    CloseCode,
    Drop,
    Effect,
    SendNotice,
    SendPing,
    SendPong,
    SendText,
    Subscribe,
)
from mockex.session.target import Refusal, Target, read_target, refuse

EPOCH_MS = 1_780_272_000_000
CLOCK = Clock(opened_at=0.0, epoch_ms=EPOCH_MS)
INVALID = Close(CloseCode.POLICY_VIOLATION, "Invalid request")
TOO_MANY = Close(CloseCode.POLICY_VIOLATION, "Too many requests")
NO_PONG = Close(CloseCode.POLICY_VIOLATION, "Pong timeout")
GOING_AWAY = Close(CloseCode.GOING_AWAY)
METHODS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"
PROFILES = {"spot": SPOT, "usdm": USDM}


def opened(profile: Profile, target: str = "/ws", now: float = 0.0) -> Session:
    read = read_target(profile, target)
    assert isinstance(read, Target)
    made = Session(profile, read, lambda name: "nosuch" not in name, CLOCK, now)
    made.opened(now)
    return made


def text(value: Any) -> SendText:
    return SendText(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def error(code: int, msg: str, **identified: Any) -> SendText:
    return text({"error": {"code": code, "msg": msg}, **identified})


def sent(message: Any) -> Callable[[Session], list[Effect]]:
    written = message if isinstance(message, str) else json.dumps(message)
    return lambda session: session.receive_text(written, 1.0)


def until(now: float) -> Callable[[Session], list[Effect]]:
    """Time passes until something other than a ping happens."""

    def wait(session: Session) -> list[Effect]:
        while (due := session.next_deadline()) is not None and due <= now:
            effects: list[Effect] = [e for e in session.advance(due) if not isinstance(e, SendPing)]
            if effects:
                return effects
        return []

    return wait


def often(count: int) -> Callable[[Session], list[Effect]]:
    def send(session: Session) -> list[Effect]:
        for number in range(count - 1):
            assert session.receive_ping(b"", number * 0.001) == [SendPong(b"")]
        return session.receive_ping(b"", 0.999)

    return send


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table as the exchange's documents have it. `usdm`: what is different there;
    `changed`: settings under which it is so."""

    rules: tuple[str, ...]
    given: Callable[[Session], list[Effect]]
    expected: list[Effect]
    usdm: list[Effect] | None = None
    changed: dict[str, Any] = field(default_factory=dict)
    only: str = ""


SUBSCRIBE_A = {"method": "SUBSCRIBE", "params": ["a@depth"], "id": 1}
CLOSING = {"close_after_error": "codes_2_3_4"}
FLAT = {"error_envelope": "flat"}
NO_OBJECT = "Invalid request: missing field `method` at line 1 column 3"
BAD_ID = "Invalid request: request ID must be an unsigned integer"
LATER = {"ping_interval_s": None, "lifetime_s": 86_400.0}
DONE = text({"result": None, "id": 1})

TABLE: dict[str, Line] = {
    "a valid SUBSCRIBE": Line(
        rules=("spot-10.1", "spot-4.2.1", "spot-4.2.12", "usdm-4.0"),
        given=sent(SUBSCRIBE_A),
        expected=[DONE, Subscribe(("a@depth",), "request")],
    ),
    "a valid UNSUBSCRIBE": Line(
        rules=("spot-10.1", "spot-4.2.2", "spot-4.2.11", "usdm-4.3.5"),
        given=sent({"method": "UNSUBSCRIBE", "params": ["a@trade"], "id": 1}),
        expected=[DONE],
    ),
    "an unknown but well-formed stream": Line(
        rules=("spot-10.2", "spot-4.4.1", "usdm-4.3.1"),
        given=sent({"method": "SUBSCRIBE", "params": ["nosuch@depth"], "id": 1}),
        expected=[DONE, Subscribe(("nosuch@depth",), "request", silent=("nosuch@depth",))],
    ),
    "a malformed stream": Line(
        rules=("spot-10.3", "spot-4.3.9", "spot-4.4.4", "usdm-4.2", "usdm-4.3.7", "wire-A4"),
        given=sent({"method": "SUBSCRIBE", "params": ["@@@x###"], "id": 1}),
        expected=[error(2, "Invalid request: invalid stream"), INVALID],
    ),
    "one stream too many": Line(
        rules=("spot-10.4", "spot-3.5.4", "spot-4.3.10", "usdm-3.2.4"),
        given=sent({"method": "SUBSCRIBE", "params": ["a@depth", "b@depth"], "id": 1}),
        expected=[error(4, "Too many subscriptions"), INVALID],
        changed={"max_streams": 1},
    ),
    "200 streams, as it was": Line(
        rules=("usdm-3.2.7",),
        given=sent({"method": "SUBSCRIBE", "params": [f"a{n}@depth" for n in range(201)], "id": 1}),
        expected=[error(4, "Too many subscriptions"), INVALID],
        changed={"max_streams": 200},
    ),
    "an unknown property": Line(
        rules=("spot-10.5", "spot-4.3.1"),
        given=sent({"method": "GET_PROPERTY", "params": ["other"], "id": 1}),
        expected=[error(0, "Unknown property", id=1)],
    ),
    "an unknown property, also where codes 2 to 4 close": Line(
        rules=("spot-4.3.14",),
        given=sent({"method": "GET_PROPERTY", "params": ["other"], "id": 1}),
        expected=[error(0, "Unknown property", id=1)],
        changed=CLOSING,
    ),
    "a value that is no boolean": Line(
        rules=("spot-10.5", "spot-4.3.2"),
        given=sent({"method": "SET_PROPERTY", "params": ["combined", "yes"], "id": 1}),
        expected=[error(1, "Invalid value type: expected Boolean", id=1)],
    ),
    "an unknown method": Line(
        rules=("spot-10.6", "spot-4.3.5", "wire-A4"),
        given=sent({"method": "FOO", "id": 20}),
        expected=[
            error(2, f"Invalid request: unknown variant `FOO`, expected one of {METHODS}", id=20)
        ],
    ),
    "an unknown method, as the documents have it": Line(
        rules=("spot-4.3.14",),
        given=sent({"method": "FOO", "id": 20}),
        expected=[
            error(2, f"Invalid request: unknown variant `FOO`, expected one of {METHODS}", id=20),
            INVALID,
        ],
        changed=CLOSING,
    ),
    "no method": Line(
        rules=("spot-10.6", "spot-4.3.7", "spot-4.3.13"),
        given=sent('{"id":1}'),
        expected=[
            error(2, "Invalid request: missing field `method` at line 1 column 8", id=1)
        ],
    ),
    "JSON that is no object": Line(
        rules=("spot-10.6", "spot-4.3.7", "wire-A4"),
        given=sent("[1]"),
        expected=[error(2, NO_OBJECT), INVALID],
    ),
    "no id": Line(
        rules=("spot-10.6", "spot-4.3.4", "spot-4.1.3"),
        given=sent({"method": "LIST_SUBSCRIPTIONS"}),
        expected=[error(2, BAD_ID), INVALID],
    ),
    "no id where none is needed": Line(
        rules=("spot-4.1.3",),
        given=sent({"method": "LIST_SUBSCRIPTIONS"}),
        expected=[text({"result": []})],
        changed={"missing_id": "accept"},
    ),
    "an id of another type": Line(
        rules=("spot-10.6", "spot-4.3.4", "usdm-4.1.1"),
        given=sent({"method": "LIST_SUBSCRIPTIONS", "id": 1.5}),
        expected=[error(2, BAD_ID), INVALID],
    ),
    "surplus parameters": Line(
        rules=("spot-10.6", "spot-4.3.6"),
        given=sent({"method": "LIST_SUBSCRIPTIONS", "params": ["a"], "id": 1}),
        expected=[error(2, "Invalid request: too many parameters", id=1)],
    ),
    "a property name of another type": Line(
        rules=("spot-10.6", "spot-4.3.3"),
        given=sent({"method": "GET_PROPERTY", "params": [7], "id": 1}),
        expected=[error(2, "Invalid request: property name must be a string", id=1)],
    ),
    "params that are no list": Line(
        rules=("wire-B12",),
        given=sent({"method": "SUBSCRIBE", "params": "a@depth", "id": 1}),
        expected=[error(2, "Invalid request: streams must be an array", id=1)],
    ),
    "not JSON": Line(
        rules=("spot-10.7", "spot-4.3.8", "wire-A5"),
        given=sent("hello"),
        expected=[INVALID],
        usdm=[error(3, "Invalid JSON: expected value at line 1 column 1")],
    ),
    "not JSON, as the documents have it": Line(
        rules=("spot-10.7", "spot-4.3.8", "spot-4.3.13"),
        given=sent('{"a":}'),
        expected=[error(3, "Invalid JSON: expected value at line 1 column 6"), INVALID],
        changed={"invalid_json": "answer_and_close"},
    ),
    "half of a surrogate pair": Line(
        rules=("spot-10.7", "wire-A5"),
        given=sent('{"method":"\\ud800","id":1}'),
        expected=[INVALID],
        usdm=[error(3, "Invalid JSON: expected value at line 1 column 1")],
    ),
    "a request above 4096 bytes": Line(
        rules=("wire-A12",),
        given=sent({"method": "SUBSCRIBE", "params": ["a@depth"] * 500, "id": 1}),
        expected=[error(3, "Invalid JSON: EOF while parsing a string at line 1 column 4096")],
    ),
    "200 names in one request": Line(
        rules=("usdm-3.2.5",),
        given=sent({"method": "SUBSCRIBE", "params": [f"a{n}@trade" for n in range(200)], "id": 1}),
        expected=[DONE, Subscribe(tuple(f"a{n}@trade" for n in range(200)), "request")],
    ),
    "a flat error": Line(
        rules=("spot-4.3.12",),
        given=sent({"method": "FOO", "id": 1}),
        expected=[
            text({
                "code": 2,
                "msg": f"Invalid request: unknown variant `FOO`, expected one of {METHODS}",
            })
        ],
        changed=FLAT,
    ),
    "a flat error of code 0": Line(
        rules=("spot-4.3.12",),
        given=sent({"method": "GET_PROPERTY", "params": ["other"], "id": 1}),
        expected=[text({"code": 0, "msg": "Unknown property", "id": 1})],
        usdm=[text({"code": 0, "msg": "Unknown property"})],
        changed=FLAT,
    ),
    "a binary frame": Line(
        rules=("spot-10.8", "spot-3.5.7", "usdm-3.2.6"),
        given=lambda session: session.receive_binary(1.0),
        expected=[INVALID],
    ),
    "the sixth message in a second": Line(
        rules=("spot-10.9", "spot-1.3", "spot-1.9", "spot-3.5.1", "spot-3.5.2"),
        given=often(6),
        expected=[TOO_MANY],
        only="spot",
    ),
    "the eleventh message in a second": Line(
        rules=("usdm-1.3", "usdm-1.8", "usdm-3.2.1", "usdm-3.2.2"),
        given=often(11),
        expected=[TOO_MANY],
        only="usdm",
    ),
    "the sixteenth message where ten more pass": Line(
        rules=("spot-3.5.3",), given=often(16), expected=[TOO_MANY],
        changed={"incoming_grace": 10}, only="spot",
    ),
    "the sixteenth message where five more pass": Line(
        rules=("usdm-3.2.3",), given=often(16), expected=[TOO_MANY],
        changed={"incoming_grace": 5}, only="usdm",
    ),
    "a pong missing": Line(
        rules=("spot-10.10", "spot-1.2", "spot-1.8", "spot-3.1.3", "usdm-1.2", "usdm-1.9",
               "usdm-3.1.1"),
        given=until(1000.0),
        expected=[NO_PONG],
    ),
    "a ping frame": Line(
        rules=("spot-10.11", "spot-3.1.7", "usdm-3.1.4"),
        given=lambda session: session.receive_ping(b"\x00now", 1.0),
        expected=[SendPong(b"\x00now")],
    ),
    "24 h reached": Line(
        rules=("spot-10.12", "spot-1.6", "spot-1.11", "spot-3.2.1", "spot-3.2.3", "usdm-1.6",
               "usdm-1.10"),
        given=until(86_400.0),
        expected=[GOING_AWAY],
        changed=LATER,
    ),
    "24 h reached, cut at TCP": Line(
        rules=("spot-3.2.3",),
        given=until(86_400.0),
        expected=[Drop()],
        changed={**LATER, "close_shape": "drop"},
    ),
    "a planned shutdown": Line(
        rules=("spot-10.13", "spot-3.3.1", "usdm-1.14"),
        given=lambda session: session.shut_down(2.0),
        expected=[SendNotice(f'{{"e":"serverShutdown","E":{EPOCH_MS + 2000}}}')],
        usdm=[],
    ),
    "a planned shutdown, told on futures": Line(
        rules=("usdm-1.14",),
        given=lambda session: session.shut_down(2.0),
        expected=[SendNotice(f'{{"e":"serverShutdown","E":{EPOCH_MS + 2000}}}')],
        changed={"server_shutdown": True},
        only="usdm",
    ),
    "the end of a planned shutdown": Line(
        rules=("spot-10.13", "spot-3.3.4"),
        given=lambda session: session.shut_down(2.0) and session.shut_down_over(),
        expected=[GOING_AWAY],
        only="spot",
    ),
}  # fmt: skip

ROWS = [
    pytest.param(
        profile,
        line,
        id=f"{name}: {title}",
        marks=pytest.mark.rule(*(rule for rule in line.rules)),
    )
    for title, line in TABLE.items()
    for name, profile in PROFILES.items()
    if line.only in ("", name)
]


@pytest.mark.parametrize(("profile", "line"), ROWS)
def test_an_input_has_the_effects_of_its_row(profile: Profile, line: Line) -> None:
    expected = line.expected
    if profile.name == "usdm" and line.usdm is not None:
        expected = line.usdm
    session = opened(profile.with_(**line.changed))
    assert line.given(session) == expected
    ends = [e for e in expected if isinstance(e, Close | Drop)]
    assert bool(ends) == (sent(SUBSCRIBE_A)(session) == []), "after a close nothing more is sent"


def test_every_row_of_the_table_says_whose_rule_it_is() -> None:
    assert set(ANSWERS) == set(Case)
    for profile in PROFILES.values():
        for cell in ANSWERS.values():
            row = cell if not hasattr(cell, "by") else cell.by(profile)
            assert row.rules


# --- names and routes ------------------------------------------------------------------------

DATA, SILENT, REFUSED = "data", "silent", "refused"


def fate(profile: Profile, base: str, name: str) -> str:
    """What a name gets in the URL; it must get the same in a request."""
    target = read_target(profile, f"{base}/ws")
    if isinstance(target, Refusal):
        assert target == Refusal(404, "Invalid request path")
        return REFUSED
    asked = {"method": "SUBSCRIBE", "params": [name], "id": 1}
    effects = opened(profile, f"{base}/ws").receive_text(json.dumps(asked), 1.0)
    if effects[-1] == INVALID:
        return "error"
    assert effects[0] == DONE
    (by_request,) = [e for e in effects if isinstance(e, Subscribe)]
    read = read_target(profile, f"{base}/stream?streams={name}")
    assert isinstance(read, Target)
    made = Session(profile, read, lambda name: "nosuch" not in name, CLOCK, 0.0)
    (by_url,) = made.opened(0.0)
    assert isinstance(by_url, Subscribe)
    assert by_url.silent == by_request.silent
    assert made.subscriptions == (name,), "it is listed all the same"
    return SILENT if name in by_request.silent else DATA


PUBLIC = ("a@depth", "a@depth5@100ms", "a@bookTicker", "!bookTicker", "a@rpiDepth@500ms", "a@trade")
MARKET = ("a@aggTrade", "a@markPrice@1s", "a@kline_1m", "!miniTicker@arr", "a@forceOrder")
LISTEN_KEY = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"
ROUTES = [
    pytest.param("/public", PUBLIC, {}, DATA, marks=pytest.mark.rule("usdm-2.2.1", "usdm-2.3.1")),
    pytest.param("/public", MARKET, {}, SILENT, marks=pytest.mark.rule("usdm-2.3.1")),
    pytest.param("/market", PUBLIC, {}, SILENT, marks=pytest.mark.rule("usdm-2.3.2")),
    pytest.param("/market", MARKET, {}, DATA, marks=pytest.mark.rule("usdm-2.2.2", "usdm-2.3.2")),
    pytest.param("", PUBLIC, {}, DATA, marks=pytest.mark.rule("usdm-2.3.3", "wire-C6")),
    pytest.param("", MARKET, {}, SILENT, marks=pytest.mark.rule("usdm-2.3.3", "usdm-4.3.4")),
    pytest.param(
        "", (*PUBLIC, *MARKET), {"unrouted": "all"}, DATA, marks=pytest.mark.rule("usdm-2.3.4")
    ),
    pytest.param(
        "", (*PUBLIC, *MARKET), {"unrouted": "refuse"}, REFUSED,
        marks=pytest.mark.rule("usdm-2.3.4"),
    ),
    pytest.param("/public", (LISTEN_KEY,), {}, SILENT, marks=pytest.mark.rule("usdm-2.3.1c")),
    pytest.param("/market", (LISTEN_KEY,), {}, SILENT, marks=pytest.mark.rule("usdm-2.3.1c")),
    pytest.param(
        "/private", (LISTEN_KEY, *PUBLIC, *MARKET), {}, SILENT,
        marks=pytest.mark.rule("usdm-2.3.1c"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("route", "names", "changed", "expected"), ROUTES)
def test_a_route_delivers_what_it_carries(
    route: str, names: tuple[str, ...], changed: dict[str, Any], expected: str
) -> None:
    profile = USDM.with_(**changed)
    assert {name: fate(profile, route, name) for name in names} == dict.fromkeys(names, expected)


def test_the_market_route_carries_every_kind_that_the_public_one_does_not() -> None:
    routes = {route.prefix: route.carries for route in USDM.routes}
    assert routes["/public"] | routes["/market"] == frozenset(USDM.streams)
    assert not routes["/public"] & routes["/market"]
    assert Kind.TRADE in routes["/public"]


NAMES = [
    pytest.param("nosuch@depth", SILENT, marks=pytest.mark.rule("spot-4.4.1", "usdm-4.3.1")),
    pytest.param("a@nothing", SILENT, marks=pytest.mark.rule("spot-4.4.1", "usdm-4.3.1")),
    pytest.param("0", SILENT, marks=pytest.mark.rule("spot-4.4.5")),
    pytest.param(LISTEN_KEY, SILENT, marks=pytest.mark.rule("spot-4.4.5")),
    pytest.param("ABC@depth", SILENT, marks=pytest.mark.rule("spot-4.4.2", "usdm-4.3.2")),
    pytest.param("这是测试币456@depth", DATA, marks=pytest.mark.rule("spot-2.17", "usdm-4.3.6")),
    pytest.param("@@@x###", "error", marks=pytest.mark.rule("spot-4.4.4", "usdm-4.3.7")),
    pytest.param("a b@depth", "error", marks=pytest.mark.rule("spot-4.4.4", "usdm-4.3.7")),
    pytest.param("a@depth@", "error", marks=pytest.mark.rule("spot-4.4.5")),
    pytest.param("", "error", marks=pytest.mark.rule("spot-4.4.5")),
]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_a_name_is_served_silent_or_an_error(profile: Profile, name: str, expected: str) -> None:
    assert fate(profile, "", name) == expected


# --- pongs -----------------------------------------------------------------------------------

SETTLED, HELD_OFF, UNSETTLED = "settled", "held off", "unsettled"
PONG_ROWS = [
    pytest.param(SPOT, "copy", {}, SETTLED, marks=pytest.mark.rule("spot-3.1.2")),
    pytest.param(SPOT, "empty", {}, UNSETTLED, marks=pytest.mark.rule("spot-3.1.5")),
    pytest.param(SPOT, "foreign", {}, UNSETTLED, marks=pytest.mark.rule("spot-3.1.5")),
    pytest.param(SPOT, "empty", {"pong": "any"}, SETTLED, marks=pytest.mark.rule("spot-3.1.2")),
    pytest.param(USDM, "copy", {}, SETTLED, marks=pytest.mark.rule("usdm-3.1.2")),
    pytest.param(USDM, "empty", {}, HELD_OFF, marks=pytest.mark.rule("usdm-3.1.3")),
    pytest.param(USDM, "foreign", {}, HELD_OFF, marks=pytest.mark.rule("usdm-3.1.3")),
    pytest.param(USDM, "foreign", {"pong": "any"}, SETTLED, marks=pytest.mark.rule("usdm-3.1.2")),
    pytest.param(
        USDM, "empty", {"unsolicited_pong_keeps_alive": False}, UNSETTLED,
        marks=pytest.mark.rule("usdm-3.1.2"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("profile", "pong", "changed", "expected"), PONG_ROWS)
def test_a_pong_settles_what_its_row_says(
    profile: Profile, pong: str, changed: dict[str, Any], expected: str
) -> None:
    """One ping, then pongs of one kind only; when, if ever, does the exchange give up?"""
    made = opened(
        profile.with_(lifetime_s=None, ping_interval_s=10_000.0, pong_deadline_s=600.0, **changed)
    )
    at = made.next_deadline()
    assert at is not None
    (ping,) = made.advance(at)
    assert isinstance(ping, SendPing)
    payload = {"copy": ping.payload, "empty": b"", "foreign": b"other"}[pong]
    assert made.receive_pong(payload, at + 1.0) == []
    given_up = made.next_deadline()
    assert given_up is not None
    after = {UNSETTLED: at + 600.0, HELD_OFF: at + 1.0 + 900.0, SETTLED: at + 10_000.0}
    assert given_up == pytest.approx(after[expected])
    assert made.advance(given_up)[0].__class__ is (SendPing if expected == SETTLED else Close)


@pytest.mark.rule("spot-3.1.4")
@pytest.mark.parametrize(("settles", "left"), [("all_before", 0), ("itself", 1)])
def test_a_pong_settles_its_ping_and_those_before_or_itself_alone(settles: str, left: int) -> None:
    made = opened(SPOT.with_(lifetime_s=None, pong_deadline_s=1000.0, pong_settles=settles))
    pings: list[Effect] = []
    for _ in range(2):
        at = made.next_deadline() or 0.0
        pings += made.advance(at)
    assert isinstance(pings[1], SendPing)
    made.receive_pong(pings[1].payload, 50.0)
    assert (made.advance(1050.0) == [NO_PONG]) is bool(left)


def test_the_table_of_pongs_has_every_combination() -> None:
    assert len(PONGS) == 8


# --- ids -------------------------------------------------------------------------------------

ID_ROWS: dict[str, tuple[Any, bool, bool]] = {  # an id; accepted on spot, on usdm
    "zero": (0, True, True),
    "the largest": (2**63 - 1, True, True),
    "one more": (2**63, False, False),
    "negative": (-5, True, False),
    "the smallest": (-(2**63), True, False),
    "less than that": (-(2**63) - 1, False, False),
    "text": ("req7", True, False),
    "a UUID": ("9d32157c-a556-4d27-9866-66760a174b57", True, False),
    "37 letters": ("x" * 37, False, False),
    "text with a space": ("no id", False, False),
    "null": (None, True, False),
    "a fraction": (1.0, False, False),
    "a boolean": (True, False, False),
    "a list": ([1], False, False),
}


@pytest.mark.rule("spot-4.1.1", "spot-1.7", "usdm-4.1", "usdm-4.1.1", "usdm-4.1.2", "wire-C4")
@pytest.mark.parametrize(("value", "spot", "usdm"), ID_ROWS.values(), ids=ID_ROWS)
def test_an_id_is_echoed_or_refused(value: Any, spot: bool, usdm: bool) -> None:
    rules = ((SPOT, spot), (USDM, usdm), (USDM.with_(id_rule="any"), spot))
    for profile, accepted in rules:
        effects = sent({"method": "LIST_SUBSCRIPTIONS", "id": value})(opened(profile))
        if accepted:
            assert effects == [text({"result": [], "id": value})]
        else:
            assert effects == [error(2, BAD_ID), INVALID]


@pytest.mark.rule("spot-4.1.2")
def test_hyphens_in_an_id_are_a_setting() -> None:
    asked = sent({"method": "LIST_SUBSCRIPTIONS", "id": "req-7"})
    assert asked(opened(SPOT)) == [text({"result": [], "id": "req-7"})]
    assert asked(opened(SPOT.with_(id_hyphens=False)))[-1] == INVALID
    assert set(IDS) == {"any", "unsigned"}
    assert IdShape.HYPHENATED not in IDS["unsigned"]


# --- handshakes ------------------------------------------------------------------------------

UNIT = "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
ATTEMPTS = "Too many connection attempts from IP; current limit is 300 per '5 MINUTE'."
TARGET_ROWS = [
    pytest.param("/", 404, "Invalid request path", marks=pytest.mark.rule("spot-2.10")),
    pytest.param("/stream/ws/a@depth", 404, "Invalid request path",
                 marks=pytest.mark.rule("wire-B13", "spot-2.10")),
    pytest.param("/wsx", 404, "Invalid request path", marks=pytest.mark.rule("spot-2.10")),
    pytest.param("/ws?timeUnit=HOUR", 400, f'{{"code":-1194,"msg":"{UNIT}"}}',
                 marks=pytest.mark.rule("spot-2.14")),
    pytest.param("/stream?timeUnit=&streams=a@depth", 400, f'{{"code":-1194,"msg":"{UNIT}"}}',
                 marks=pytest.mark.rule("spot-2.14")),
    pytest.param("/ws/" + "a" * 8001, 414, "Request-URI Too Long",
                 marks=pytest.mark.rule("spot-2.18")),
]  # fmt: skip


@pytest.mark.parametrize(("target", "status", "body"), TARGET_ROWS)
def test_a_target_that_cannot_be_is_refused(target: str, status: int, body: str) -> None:
    assert read_target(SPOT, target) == Refusal(status, body)


@pytest.mark.rule("spot-2.14", "usdm-1.12")
def test_another_time_unit_may_be_taken_for_the_default_or_not_be_looked_at() -> None:
    for profile in (SPOT.with_(time_unit="lax"), USDM):
        assert read_target(profile, "/ws?timeUnit=HOUR") == Target("", False)
    assert read_target(USDM, "/ws?timeUnit=MICROSECOND") == Target("", False)


@pytest.mark.rule("spot-4.4.4b")
def test_a_malformed_name_in_the_url_is_an_error_after_the_upgrade_or_instead_of_it() -> None:
    read = read_target(SPOT, "/ws/a@depth/b%20c")
    assert isinstance(read, Target)
    made = Session(SPOT, read, lambda _: True, CLOCK, 0.0)
    assert made.opened(0.0) == [error(2, "Invalid request: invalid stream"), INVALID]
    refused = read_target(SPOT.with_(malformed_in_url="refuse"), "/ws/a@depth/b%20c")
    assert refused == Refusal(400, '{"code":2,"msg":"Invalid request: invalid stream"}')


@pytest.mark.rule("spot-2.9")
def test_a_raw_path_names_many_streams_or_one() -> None:
    assert read_target(SPOT, "/ws/a@depth/b@depth") == Target("", False, ("a@depth", "b@depth"))
    read = read_target(SPOT.with_(raw_path="one"), "/ws/a@depth/b@depth")
    assert read == Target("", False, (), ("a@depth/b@depth",))


@pytest.mark.rule("spot-3.5.5")
@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (429, f'{{"code":-1034,"msg":"{ATTEMPTS}"}}', (("Retry-After", "17"),)),
        (403, SPOT.texts.firewall, ()),
        (418, f'{{"code":-1034,"msg":"{ATTEMPTS}"}}', (("Retry-After", "17"),)),
    ],
)
def test_one_attempt_too_many_is_answered_as_the_setting_says(
    status: int, body: str, headers: tuple[tuple[str, str], ...]
) -> None:
    profile = SPOT.with_(attempts_refusal=status)
    assert refuse(profile, Attempt.TOO_MANY, 17) == Refusal(status, body, headers)


def test_a_text_of_ones_own_is_still_json() -> None:
    texts = dataclasses.replace(SPOT.texts, bad_time_unit='no "unit"')
    refused = read_target(SPOT.with_(texts=texts), "/ws?timeUnit=HOUR")
    assert isinstance(refused, Refusal)
    assert json.loads(refused.body) == {"code": -1194, "msg": 'no "unit"'}


def test_every_refusal_says_whose_rule_it_is() -> None:
    assert set(REFUSALS) == set(Attempt)
