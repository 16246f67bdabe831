"""The decision tables of both profiles (spot 10; usdm 2 to 4; wire A4, A5, A12), in the
words of a client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockex.clock import Clock
from mockex.profile import SPOT, USDM, Profile
from mockex.session.core import MOST_PINGS, Session, State
from mockex.session.effects import (
    Close,
    CloseCode,
    Effect,
    SendPing,
    SendPong,
    SendText,
    SetCombined,
    Subscribe,
    Unsubscribe,
)
from mockex.session.target import Target, read_target

EPOCH_MS = 1_780_272_000_000
CLOCK = Clock(opened_at=0.0, epoch_ms=EPOCH_MS)
INVALID = Close(CloseCode.POLICY_VIOLATION, "Invalid request")
TOO_MANY = Close(CloseCode.POLICY_VIOLATION, "Too many requests")
BOTH = pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])


def session(profile: Profile, target: str = "/ws", now: float = 0.0) -> Session:
    read = read_target(profile, target)
    assert isinstance(read, Target)
    return Session(profile, read, lambda name: "nosuch" not in name, CLOCK, now)


def reply(effects: list[Effect]) -> Any:
    (text,) = [e.text for e in effects if isinstance(e, SendText)]
    return json.loads(text)


def ask(made: Session, now: float = 1.0, **message: Any) -> list[Effect]:
    return made.receive_text(json.dumps(message), now)


def error(code: int, msg: str, **more: Any) -> Any:
    return {"error": {"code": code, "msg": msg}, **more}


# --- requests ---


@pytest.mark.rule("spot-4.2.1", "spot-4.2.12", "spot-10.1", "usdm-4.0")
@BOTH
def test_a_subscription_is_acknowledged_before_its_events(profile: Profile) -> None:
    effects = ask(session(profile), method="SUBSCRIBE", params=["ethusdc@depth"], id=1)
    assert effects == [
        SendText('{"result":null,"id":1}'),
        Subscribe(("ethusdc@depth",), "request"),
    ]


@BOTH
def test_what_a_fault_keeps_from_the_session_counts_and_changes_nothing(profile: Profile) -> None:
    made = session(profile.with_(incoming_per_s=2))
    assert made.receive_unheard(0.0) == []
    assert made.receive_unheard(0.1, "no") == [SendText("no")]
    assert made.subscriptions == ()
    assert made.receive_unheard(0.2, "no") == [TOO_MANY]
    assert made.receive_unheard(0.3, "no") == []


@pytest.mark.rule("spot-4.4.1", "spot-4.4.2", "spot-10.2", "usdm-4.3.1", "usdm-4.3.2")
@BOTH
def test_unknown_and_misspelt_streams_are_acknowledged_and_silent(profile: Profile) -> None:
    names = ["nosuch@depth", "ETHUSDC@trade", "ethusdc@nothing"]
    effects = ask(session(profile), method="SUBSCRIBE", params=names, id=1)
    assert effects[1] == Subscribe(tuple(names), "request", silent=tuple(names))


@pytest.mark.rule(
    "usdm-2.3.1", "usdm-2.3.1c", "usdm-2.3.2", "usdm-2.3.3", "usdm-2.3.5", "usdm-4.3.4", "wire-C6"
)
@pytest.mark.parametrize(
    ("route", "silent"),
    [("/public", ("a@aggTrade",)), ("/market", ("a@depth", "a@trade")), ("", ("a@aggTrade",)),
     ("/private", ("a@depth", "a@trade", "a@aggTrade"))],
)  # fmt: skip
def test_a_route_of_usdm_is_silent_about_what_it_does_not_carry(
    route: str, silent: tuple[str, ...]
) -> None:
    names = ["a@depth", "a@trade", "a@aggTrade"]
    effects = ask(session(USDM, f"{route}/ws"), method="SUBSCRIBE", params=names, id=1)
    assert isinstance(effects[1], Subscribe)
    assert effects[1].silent == silent


@pytest.mark.rule("spot-4.2.3", "spot-4.2.9", "spot-4.2.10")
@BOTH
def test_subscriptions_are_a_set_in_order(profile: Profile) -> None:
    made = session(profile)
    ask(made, method="SUBSCRIBE", params=["b@trade", "a@trade"], id=1)
    effects = ask(made, method="SUBSCRIBE", params=["a@trade", "c@trade", "c@trade"], id=2)
    assert effects[1] == Subscribe(("a@trade", "c@trade"), "request", again=("a@trade",))
    ask(made, method="UNSUBSCRIBE", params=["b@trade"], id=3)
    listed = ask(made, 2.0, method="LIST_SUBSCRIPTIONS", id=4)
    assert reply(listed) == {"result": ["a@trade", "c@trade"], "id": 4}


@pytest.mark.rule("spot-4.2.8")
def test_the_list_includes_the_streams_of_the_url_or_not_by_setting() -> None:
    for listed, names in ((True, ["a@trade", "b@trade"]), (False, ["b@trade"])):
        made = session(SPOT.with_(list_url_streams=listed), "/ws/a@trade")
        made.opened(0.0)
        ask(made, method="SUBSCRIBE", params=["b@trade"], id=1)
        assert reply(ask(made, method="LIST_SUBSCRIPTIONS", id=2))["result"] == names


@pytest.mark.rule("spot-4.2.10")
def test_a_stream_subscribed_twice_is_given_up_once_or_twice_by_setting() -> None:
    for reading, gone_after in (("once", 1), ("counted", 2)):
        made = session(SPOT.with_(subscribing_twice=reading, incoming_per_s=None))
        for number in range(2):
            ask(made, method="SUBSCRIBE", params=["a@trade", "b@trade"], id=number)
        ends = [ask(made, method="UNSUBSCRIBE", params=["a@trade"], id=9)[1:] for _ in range(3)]
        assert ends == [[Unsubscribe(("a@trade",))] * (n == gone_after) for n in (1, 2, 3)]
        assert made.subscriptions == ("b@trade",)


@pytest.mark.rule("spot-4.4.5")
def test_what_is_a_name_at_all_is_a_setting() -> None:
    made = session(SPOT.with_(stream_grammar="[a-z]+@trade"))
    assert len(ask(made, method="SUBSCRIBE", params=["a@trade"], id=1)) == 2
    assert ask(made, method="SUBSCRIBE", params=["a@depth"], id=2)[-1] == INVALID


@pytest.mark.rule("spot-4.2.11", "usdm-4.3.5")
@BOTH
def test_unsubscribing_what_was_never_there_is_acknowledged(profile: Profile) -> None:
    effects = ask(session(profile), method="UNSUBSCRIBE", params=["a@trade"], id=1)
    assert effects == [SendText('{"result":null,"id":1}')]


@pytest.mark.rule("spot-4.2.2")
@BOTH
def test_unsubscribing_says_what_goes(profile: Profile) -> None:
    made = session(profile)
    ask(made, method="SUBSCRIBE", params=["a@trade", "b@trade"], id=1)
    effects = ask(made, method="UNSUBSCRIBE", params=["b@trade", "x@trade"], id=2)
    assert effects[1] == Unsubscribe(("b@trade",))


@pytest.mark.rule("spot-2.6", "spot-2.7", "spot-4.2.4", "spot-4.2.5", "spot-4.2.6", "spot-4.2.7")
@BOTH
def test_the_combined_property_follows_the_path_and_can_be_set(profile: Profile) -> None:
    for target, start in (("/ws", False), ("/stream", True)):
        made = session(profile, target)
        assert reply(ask(made, method="GET_PROPERTY", params=["combined"], id=1)) == {
            "result": start,
            "id": 1,
        }
        effects = ask(made, method="SET_PROPERTY", params=["combined", not start], id=2)
        assert effects == [SendText('{"result":null,"id":2}'), SetCombined(not start)]
        assert made.combined is not start


VARIANTS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"


@pytest.mark.rule(
    "spot-4.3.1",
    "spot-4.3.2",
    "spot-4.3.3",
    "spot-4.3.5",
    "spot-4.3.6",
    "spot-4.3.11",
    "spot-4.3.14",
    "spot-10.5",
    "spot-10.6",
    "wire-A4",
    "wire-B12",
)
@BOTH
@pytest.mark.parametrize(
    ("message", "code", "msg"),
    [
        ({"method": "FOO"}, 2,
         f"Invalid request: unknown variant `FOO`, expected one of {VARIANTS}"),
        ({"method": "SUBSCRIBE", "params": "a"}, 2, "Invalid request: streams must be an array"),
        ({"method": "SUBSCRIBE"}, 2, "Invalid request: streams must be an array"),
        ({"method": "LIST_SUBSCRIPTIONS", "params": ["a"]}, 2,
         "Invalid request: too many parameters"),
        ({"method": "SET_PROPERTY", "params": ["other", True]}, 0, "Unknown property"),
        ({"method": "SET_PROPERTY", "params": ["combined", 1]}, 1,
         "Invalid value type: expected Boolean"),
        ({"method": "SET_PROPERTY", "params": ["combined"]}, 1,
         "Invalid value type: expected Boolean"),
        ({"method": "SET_PROPERTY", "params": ["combined", True, 1]}, 2,
         "Invalid request: too many parameters"),
        ({"method": "GET_PROPERTY", "params": []}, 2,
         "Invalid request: property name must be a string"),
        ({"method": "GET_PROPERTY", "params": [7]}, 2,
         "Invalid request: property name must be a string"),
        ({"method": "GET_PROPERTY", "params": ["combined", 1]}, 2,
         "Invalid request: too many parameters"),
    ],
)  # fmt: skip
def test_an_error_with_id_leaves_the_socket_open(
    profile: Profile, message: dict[str, Any], code: int, msg: str
) -> None:
    made = session(profile)
    effects = ask(made, **message, id=9)
    assert len(effects) == 1
    assert reply(effects) == error(code, msg, id=9)
    assert made.state is State.OPEN


@pytest.mark.rule(
    "spot-1.10",
    "spot-4.1.3",
    "spot-4.3.4",
    "spot-4.3.9",
    "spot-4.3.14",
    "spot-4.4.4",
    "spot-10.3",
    "usdm-1.7",
    "usdm-4.2",
    "usdm-4.3.7",
    "wire-A4",
)
@BOTH
@pytest.mark.parametrize(
    ("text", "msg"),
    [
        ('{"method":"SUBSCRIBE","params":["@@@x###"],"id":1}', "Invalid request: invalid stream"),
        ('{"method":"SUBSCRIBE","params":["a b@trade"],"id":1}', "Invalid request: invalid stream"),
        ('{"method":"SUBSCRIBE","params":[7],"id":1}', "Invalid request: invalid stream"),
        (
            '{"method":"LIST_SUBSCRIPTIONS"}',
            "Invalid request: request ID must be an unsigned integer",
        ),
        (
            '{"method":"LIST_SUBSCRIPTIONS","id":1.5}',
            "Invalid request: request ID must be an unsigned integer",
        ),
        (
            '{"method":"LIST_SUBSCRIPTIONS","id":true}',
            "Invalid request: request ID must be an unsigned integer",
        ),
        ("[1]", "Invalid request: missing field `method` at line 1 column 3"),
    ],
)
def test_an_error_without_id_ends_the_connection(profile: Profile, text: str, msg: str) -> None:
    made = session(profile)
    effects = made.receive_text(text, 1.0)
    assert reply(effects) == error(2, msg)
    assert effects[-1] == INVALID
    assert made.receive_text('{"method":"LIST_SUBSCRIPTIONS","id":1}', 2.0) == []


@pytest.mark.rule("spot-4.3.7", "spot-4.3.13")
def test_a_request_without_method_tells_the_column_of_its_end() -> None:
    effects = session(SPOT).receive_text('{"id":1}', 1.0)
    assert reply(effects) == error(
        2, "Invalid request: missing field `method` at line 1 column 8", id=1
    )


@pytest.mark.rule("spot-4.1.1", "spot-4.1.2", "spot-4.1.3", "wire-C4")
@pytest.mark.parametrize("request_id", [1, 0, -5, "req-7", "", None, 2**63 - 1])
def test_spot_takes_integers_strings_and_null_for_an_id(request_id: Any) -> None:
    effects = ask(session(SPOT), method="LIST_SUBSCRIPTIONS", id=request_id)
    assert reply(effects) == {"result": [], "id": request_id}


@pytest.mark.rule("spot-1.7", "spot-4.1.1")
@pytest.mark.parametrize("request_id", ["x" * 37, "a b", 2**63, [1]])
def test_spot_refuses_other_ids(request_id: Any) -> None:
    assert ask(session(SPOT), method="LIST_SUBSCRIPTIONS", id=request_id)[-1] == INVALID


@pytest.mark.rule("usdm-4.1", "usdm-4.1.1")
@pytest.mark.parametrize("request_id", ["7", -1, None, 1.0])
def test_usdm_takes_unsigned_integers_only(request_id: Any) -> None:
    assert ask(session(USDM), method="LIST_SUBSCRIPTIONS", id=request_id)[-1] == INVALID


@pytest.mark.rule("spot-4.3.8", "spot-4.3.13", "spot-10.7", "wire-A5")
@pytest.mark.parametrize(
    ("text", "line", "column"), [("hello", 1, 1), ('{"a":}', 1, 6), ("{\n x}", 2, 2), ("NaN", 1, 1)]
)
def test_bad_json_is_told_with_its_place_on_usdm_and_is_silent_death_on_spot(
    text: str, line: int, column: int
) -> None:
    usdm, spot = session(USDM), session(SPOT)
    assert reply(usdm.receive_text(text, 1.0)) == error(
        3, f"Invalid JSON: expected value at line {line} column {column}"
    )
    assert usdm.state is State.OPEN
    assert spot.receive_text(text, 1.0) == [INVALID]


def test_json_that_is_nested_too_deeply_is_bad_json() -> None:
    assert session(SPOT).receive_text("[" * 3000, 1.0)[-1] == INVALID


@pytest.mark.rule("wire-A12")
@BOTH
def test_a_request_above_4096_bytes_is_cut_there(profile: Profile) -> None:
    names = [f"symbol{n:04d}usdc@depth5@100ms" for n in range(200)]
    made = session(profile)
    effects = ask(made, method="SUBSCRIBE", params=names, id=1)
    assert reply(effects) == error(
        3, "Invalid JSON: EOF while parsing a string at line 1 column 4096"
    )
    assert made.subscriptions == ()
    assert made.state is State.OPEN


@pytest.mark.rule("spot-1.4", "spot-3.5.4", "spot-4.3.10", "spot-10.4", "usdm-1.4", "usdm-3.2.4")
@BOTH
def test_the_1025th_stream_costs_all(profile: Profile) -> None:
    made = session(profile.with_(max_request_bytes=None))
    names = [f"s{n}@trade" for n in range(1024)]
    assert len(ask(made, method="SUBSCRIBE", params=names, id=1)) == 2
    effects = ask(made, method="SUBSCRIBE", params=["one@trade"], id=2)
    assert reply(effects) == error(4, "Too many subscriptions")
    assert effects[-1] == INVALID


# --- the URL ---


@BOTH
def test_streams_of_the_url_are_subscribed_at_once(profile: Profile) -> None:
    made = session(profile, "/stream?streams=a@depth/b@depth")
    assert made.opened(0.0) == [Subscribe(("a@depth", "b@depth"), "url")]
    assert session(profile, "/ws").opened(0.0) == []


@pytest.mark.rule("spot-4.4.4b")
@BOTH
def test_a_malformed_name_in_the_url_is_an_error_after_the_upgrade(profile: Profile) -> None:
    effects = session(profile, "/ws/a@depth/b%20c").opened(0.0)
    assert reply(effects) == error(2, "Invalid request: invalid stream")
    assert effects[-1] == INVALID


def test_too_many_streams_in_the_url_are_refused() -> None:
    effects = session(SPOT.with_(max_streams=1), "/ws/a@depth/b@depth").opened(0.0)
    assert effects[-1] == INVALID


# --- limits ---


@pytest.mark.rule(
    "spot-1.3",
    "spot-1.9",
    "spot-3.5.1",
    "spot-3.5.2",
    "spot-10.9",
    "usdm-1.3",
    "usdm-1.8",
    "usdm-3.2.1",
)
@pytest.mark.parametrize(("profile", "limit"), [(SPOT, 5), (USDM, 10)])
def test_one_message_too_many_within_a_second_closes(profile: Profile, limit: int) -> None:
    made = session(profile)
    for number in range(limit):
        assert made.receive_ping(b"", number * 0.999 / limit) == [SendPong(b"")]
    assert made.receive_ping(b"", 0.999) == [TOO_MANY]


def test_messages_at_the_limits_own_pace_are_fine() -> None:
    made = session(SPOT)
    for number in range(50):
        assert made.receive_ping(b"", number * 0.2) == [SendPong(b"")]


@pytest.mark.rule("spot-3.1.8")
def test_text_binary_ping_and_pong_all_count() -> None:
    made = session(SPOT)
    ask(made, 0.1, method="LIST_SUBSCRIPTIONS", id=1)
    for at in (0.2, 0.3):
        made.receive_ping(b"", at)
    for at in (0.4, 0.5):
        made.receive_pong(b"", at)
    assert ask(made, 0.6, method="LIST_SUBSCRIPTIONS", id=1) == [TOO_MANY]


def test_pongs_that_answer_need_not_count_and_others_always_do() -> None:
    made = session(SPOT.with_(count_pongs=False, ping_interval_s=0.01, incoming_per_s=1))
    for number in range(1, 5):
        (ping,) = made.advance(number / 10)
        assert isinstance(ping, SendPing)
        assert made.receive_pong(ping.payload, number / 10) == []
    assert made.receive_pong(b"unasked", 0.5) == []
    assert made.receive_pong(b"unasked", 0.6) == [TOO_MANY]


@pytest.mark.rule("spot-3.5.3")
def test_grace_lets_a_few_more_pass() -> None:
    made = session(SPOT.with_(incoming_grace=2))
    results = [made.receive_ping(b"", 0.01 * n) for n in range(8)]
    assert results.index([TOO_MANY]) == 7


def test_no_limit_is_no_limit() -> None:
    made = session(SPOT.with_(incoming_per_s=None))
    assert all(made.receive_ping(b"", 0.0) == [SendPong(b"")] for _ in range(100))


@pytest.mark.rule("spot-3.5.7", "spot-10.8", "usdm-3.2.6")
@BOTH
def test_a_binary_frame_ends_the_connection(profile: Profile) -> None:
    assert session(profile).receive_binary(0.0) == [INVALID]


# --- heartbeat and lifetime ---


def run_until(made: Session, until: float) -> list[tuple[float, Effect]]:
    found: list[tuple[float, Effect]] = []
    while (due := made.next_deadline()) is not None and due <= until:
        found += [(due, effect) for effect in made.advance(due)]
    return found


@pytest.mark.rule(
    "spot-1.1", "spot-1.13", "spot-3.1.1", "usdm-1.1", "usdm-1.11", "usdm-3.1.1", "wire-C1"
)
@pytest.mark.parametrize(("profile", "interval"), [(SPOT, 20.0), (USDM, 180.0)])
def test_pings_come_at_the_interval_with_the_time_as_payload(
    profile: Profile, interval: float
) -> None:
    made = session(profile, now=3.0)
    pings = run_until(made, 3.0 + 2.5 * interval)
    times = [at for at, _ in pings]
    assert times[0] - 3.0 <= interval
    assert times[1] - times[0] == pytest.approx(interval)
    assert pings[0][1] == SendPing(str(EPOCH_MS + int(times[0] * 1000)).encode())


@pytest.mark.rule(
    "spot-1.2",
    "spot-1.8",
    "spot-3.1.3",
    "spot-7.5",
    "spot-10.10",
    "usdm-1.2",
    "usdm-1.9",
    "usdm-3.1.1",
)
@BOTH
def test_a_missing_pong_closes_at_the_deadline_of_the_oldest_ping(profile: Profile) -> None:
    made = session(profile.with_(lifetime_s=None))
    events = run_until(made, 10_000.0)
    first_ping, (closed_at, close) = events[0][0], events[-1]
    assert close == Close(CloseCode.POLICY_VIOLATION, "Pong timeout")
    assert closed_at == pytest.approx(first_ping + (profile.pong_deadline_s or 0))
    assert made.next_deadline() is None


@pytest.mark.rule("spot-3.1.2", "spot-3.1.4", "usdm-3.1.2")
@BOTH
def test_a_pong_settles_its_ping_and_all_before(profile: Profile) -> None:
    made = session(profile.with_(ping_interval_s=1.0, pong_deadline_s=3.5, lifetime_s=None))
    pings = [e for _, e in run_until(made, 3.0) if isinstance(e, SendPing)]
    assert made.receive_pong(pings[-1].payload, 3.0) == []
    later = run_until(made, 6.0)
    assert all(isinstance(e, SendPing) for _, e in later)


@pytest.mark.rule("spot-3.1.5", "usdm-3.1.3")
def test_an_unsolicited_pong_keeps_alive_on_usdm_and_not_on_spot() -> None:
    for profile, survives in ((SPOT, False), (USDM, True)):
        made = session(profile.with_(ping_interval_s=1.0, pong_deadline_s=2.0, lifetime_s=None))
        run_until(made, 1.9)
        made.receive_pong(b"", 2.0)
        closes = [e for _, e in run_until(made, 3.0) if isinstance(e, Close)]
        assert bool(closes) is not survives


@pytest.mark.rule("spot-1.11", "spot-3.2.3", "spot-10.12", "usdm-1.10")
@BOTH
def test_the_lifetime_ends_with_1001_and_no_reason(profile: Profile) -> None:
    made = session(profile.with_(ping_interval_s=None, lifetime_s=6.0), now=1.0)
    assert run_until(made, 100.0) == [(7.0, Close(CloseCode.GOING_AWAY))]


def test_without_rules_there_is_no_deadline() -> None:
    assert session(SPOT.with_(ping_interval_s=None, lifetime_s=None)).next_deadline() is None


def test_a_suspended_session_has_no_deadlines_and_a_resumed_one_has_new_ones() -> None:
    made = session(SPOT.with_(ping_interval_s=1.0, pong_deadline_s=2.0, lifetime_s=5.0))
    run_until(made, 1.0)
    made.suspend(1.0)
    made.suspend(2.0)  # again: no effect
    assert all(isinstance(e, SendPing) for _, e in run_until(made, 9.0))
    (ping,) = made.resume(9.0)
    assert isinstance(ping, SendPing)
    (due, close) = next((at, e) for at, e in run_until(made, 20.0) if isinstance(e, Close))
    assert (close.reason, due) == ("Pong timeout", 11.0)
    assert made.resume(30.0) == []


@BOTH
@pytest.mark.parametrize("code", [1000, 1001, None])
def test_a_close_frame_is_answered_with_its_code_once(profile: Profile, code: int | None) -> None:
    made = session(profile)
    assert made.receive_close(code, "bye", 0.0) == [Close(code)]
    assert made.receive_close(code, "bye", 0.1) == []
    assert made.receive_ping(b"", 0.2) == []
    assert made.receive_pong(b"", 0.2) == []
    assert made.receive_binary(0.2) == []
    assert made.advance(99.0) == []


def test_pings_that_nothing_ends_the_connection_for_do_not_pile_up() -> None:
    made = session(USDM.with_(ping_interval_s=1.0, pong_deadline_s=None, lifetime_s=None))
    pings = [e for _, e in run_until(made, 1000.0) if isinstance(e, SendPing)]
    assert len(pings) == 1000
    assert len(made._unanswered) == MOST_PINGS
    assert made._unanswered[0][0] == pings[0].payload, "the oldest has the deadline"
    made.receive_pong(pings[-1].payload, 1001.0)
    assert not made._unanswered
