"""A client that sends anything, at any time, in any order: no input raises, breaks an invariant or
takes more work than its length allows."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mockex.clock import Clock
from mockex.profile import SPOT, USDM, Profile
from mockex.session.core import MOST_PINGS, Session, State
from mockex.session.effects import (
    Close,
    Drop,
    Effect,
    SendNotice,
    SendPing,
    SendPong,
    SendText,
    SetCombined,
    Subscribe,
    Unsubscribe,
)
from mockex.session.requests import Method
from mockex.session.target import Target, read_target

CLOCK = Clock(opened_at=0.0, epoch_ms=1_780_272_000_000)
MOST_STREAMS = 4
# Calls of functions that one input may make: a price, and more for each character of it.
CALLS, CALLS_A_CHARACTER = 400, 30

SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "incoming_per_s": st.sampled_from([None, 1, 5]),
        "incoming_grace": st.sampled_from([0, 2]),
        "count_pongs": st.booleans(),
        "lifetime_s": st.sampled_from([None, 5.0, 200.0]),
        "ping_interval_s": st.sampled_from([None, 0.5, 20.0]),
        "pong_deadline_s": st.sampled_from([None, 1.0, 60.0]),
        "pong": st.sampled_from(["strict", "any"]),
        "pong_settles": st.sampled_from(["all_before", "itself"]),
        "unsolicited_pong_keeps_alive": st.booleans(),
        "id_rule": st.sampled_from(["any", "unsigned"]),
        "missing_id": st.sampled_from(["error", "accept"]),
        "error_envelope": st.sampled_from(["nested", "flat"]),
        "close_after_error": st.sampled_from(["without_id", "codes_2_3_4"]),
        "invalid_json": st.sampled_from(["close", "answer", "answer_and_close"]),
        "close_shape": st.sampled_from(["close", "drop"]),
        "max_request_bytes": st.sampled_from([None, 40, 4096]),
    },
)
TARGETS = st.sampled_from(
    ["/ws", "/stream", "/ws/a@depth", "/stream?streams=a@depth/b@depth", "/ws/0", "/ws/a%20b",
     "/ws/a@depth/b@depth/c@depth/d@depth/e@depth"]
)  # fmt: skip
NAMES = st.sampled_from(
    ["a@depth", "b@depth", "c@aggTrade", "nosuch@depth", "D@trade", "e@trade", "0"]
)
IDS = st.one_of(st.none(), st.integers(-5, 9), st.sampled_from(["x", "req-7", "x" * 37, True]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["method", "params", "id", "x"]) | st.text(max_size=4),
            inner | st.sampled_from(list(Method)),
            max_size=4,
        )
    ),
    max_leaves=8,
)
TEXTS = st.one_of(
    st.text(max_size=60),
    JSON.map(json.dumps),
    st.sampled_from(["", " ", "\ufeff{}", "{}", "[]", "null"]),
)
PAYLOADS = st.sampled_from([b"", b"x", b"\xff" * 125])


def calls_of(work: Callable[[], list[Effect]]) -> tuple[list[Effect], int]:
    """What `work` gives, and how many calls of functions it took."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        effects = work()
    finally:
        sys.setprofile(before)
    return effects, calls


class AnyClient(RuleBasedStateMachine):
    """The model knows the subscriptions, the messages of the last second and what was closed."""

    @initialize(base=st.sampled_from([SPOT, USDM]), changes=SETTINGS, path=TARGETS)
    def connect(self, base: Profile, changes: dict[str, Any], path: str) -> None:
        self.profile: Profile = base.with_(max_streams=MOST_STREAMS, **changes)
        self.now = 0.0
        self.open(path)

    def open(self, path: str) -> None:
        read = read_target(self.profile, path)
        assert isinstance(read, Target)
        self.made = Session(self.profile, read, lambda name: "nosuch" not in name, CLOCK, self.now)
        self.closed = False
        self.model: dict[str, None] = {}
        self.times: list[float] = []  # of messages that counted
        self.pings: list[bytes] = []
        effects = self.did(lambda: self.made.opened(self.now), len(path))
        if not self.closed:
            self.model = dict.fromkeys(read.streams)
            assert sum(isinstance(e, Subscribe) for e in effects) == bool(read.streams)

    def did(self, work: Callable[[], list[Effect]], size: int = 0) -> list[Effect]:
        """The effects of one input, which must be fit to be effects at all."""
        effects, calls = calls_of(work)
        assert calls <= CALLS + CALLS_A_CHARACTER * size, f"{calls} calls for {size} characters"
        assert not (self.closed and effects), "nothing is sent after a close"
        ends = [e for e in effects if isinstance(e, Close | Drop)]
        assert len(ends) <= 1
        if ends:
            assert effects[-1] is ends[0], "nothing follows the end"
            self.closed = True
        assert sum(isinstance(e, SendText) for e in effects) <= 1
        for effect in effects:
            if isinstance(effect, SendText | SendNotice):
                json.loads(effect.text.encode())
            if isinstance(effect, SendPing):
                self.pings.append(effect.payload)
        return effects

    def is_one_too_many(self) -> bool:
        """Whether a message that counts now ends the connection."""
        limit = self.profile.incoming_per_s
        if limit is None or self.closed:
            return False
        self.times.append(self.now)
        recent = [at for at in self.times if self.now - at < 1.0 - 1e-6]
        return len(recent) > limit + self.profile.incoming_grace

    def message(self, work: Callable[[], list[Effect]], size: int) -> list[Effect]:
        was_closed, too_many = self.closed, self.is_one_too_many()
        effects = self.did(work, size)
        reason = self.profile.texts.too_many_requests
        cut = [e for e in effects if isinstance(e, Close) and e.reason == reason]
        assert bool(cut) == (too_many and not was_closed)
        assert not cut or effects == cut, "no answer to the message that is one too many"
        return effects

    def ask(self, **asked: Any) -> list[Effect]:
        text = json.dumps(asked)
        return self.message(lambda: self.made.receive_text(text, self.now), len(text))

    def succeeded(self, effects: list[Effect], request_id: Any) -> bool:
        """Whether the answer is a success; it must be to this very request."""
        texts = [json.loads(e.text) for e in effects if isinstance(e, SendText)]
        if not texts or "result" not in texts[0]:
            return False
        assert texts[0]["id"] == request_id
        assert isinstance(effects[0], SendText), "the answer goes before all else"
        return True

    # --- what a client does ---

    @rule(names=st.lists(NAMES, max_size=5), number=IDS)
    def subscribe(self, names: list[str], number: Any) -> None:
        effects = self.ask(method="SUBSCRIBE", params=names, id=number)
        if self.succeeded(effects, number):
            (said,) = [e for e in effects if isinstance(e, Subscribe)]
            assert set(said.again) == set(names) & set(self.model)
            self.model.update(dict.fromkeys(names))

    @rule(names=st.lists(NAMES, max_size=5), number=IDS)
    def unsubscribe(self, names: list[str], number: Any) -> None:
        effects = self.ask(method="UNSUBSCRIBE", params=names, id=number)
        if self.succeeded(effects, number):
            gone = [e.streams for e in effects if isinstance(e, Unsubscribe)]
            assert set(gone[0] if gone else ()) == set(names) & set(self.model)
            for name in names:
                self.model.pop(name, None)

    @rule(number=IDS)
    def list_subscriptions(self, number: Any) -> None:
        effects = self.ask(method="LIST_SUBSCRIPTIONS", id=number)
        if self.succeeded(effects, number):
            assert isinstance(effects[0], SendText)
            assert json.loads(effects[0].text)["result"] == list(self.model)

    @rule(value=st.booleans(), number=IDS)
    def set_property(self, value: bool, number: Any) -> None:
        effects = self.ask(method="SET_PROPERTY", params=["combined", value], id=number)
        if self.succeeded(effects, number):
            assert effects[1:] == [SetCombined(value)]
            assert self.made.combined is value

    @rule(text=TEXTS)
    def say_anything(self, text: str) -> None:
        effects = self.message(lambda: self.made.receive_text(text, self.now), len(text))
        for effect in effects:  # what it may have asked for by chance
            if isinstance(effect, Subscribe):
                self.model.update(dict.fromkeys(effect.streams))
            if isinstance(effect, Unsubscribe):
                for name in effect.streams:
                    del self.model[name]

    @rule(text=st.sampled_from(["[" * 3000, "1" * 6000, '{"method":"\\udc00","id":1}', "NaN"]))
    def say_what_is_nearly_json(self, text: str) -> None:
        effects = self.message(lambda: self.made.receive_text(text, self.now), len(text))
        assert not any(isinstance(e, Subscribe) for e in effects)

    @rule()
    def send_binary(self) -> None:
        effects = self.message(lambda: self.made.receive_binary(self.now), 0)
        assert self.closed
        assert len(effects) <= 1

    @rule(payload=PAYLOADS)
    def ping(self, payload: bytes) -> None:
        effects = self.message(lambda: self.made.receive_ping(payload, self.now), 0)
        assert self.closed or effects == [SendPong(payload)]

    @rule(payload=PAYLOADS)
    def pong_unasked(self, payload: bytes) -> None:
        self.message(lambda: self.made.receive_pong(payload, self.now), 0)

    @precondition(lambda self: self.pings)
    @rule(data=st.data())
    def pong(self, data: st.DataObject) -> None:
        payload = data.draw(st.sampled_from(self.pings))
        self.did(lambda: self.made.receive_pong(payload, self.now))
        # Whether it counted depends on what it settled: a pause, and the model knows again.
        self.advance_by(2.0)

    @rule(code=st.sampled_from([None, 1000, 1001, 4000]))
    def close(self, code: int | None) -> None:
        assert self.did(lambda: self.made.receive_close(code, "bye", self.now)) == [Close(code)]

    # --- what time and the exchange do ---

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.25, 1.0, 7.0, 90.0]))
    def wait(self, seconds: float) -> None:
        self.advance_by(seconds)

    def advance_by(self, seconds: float) -> None:
        """Let time pass as the shell does: at each deadline, and never before it."""
        until = self.now + seconds
        while (due := self.made.next_deadline()) is not None and due <= until:
            assert due >= self.now, "a deadline is never in the past"
            early = (self.now + due) / 2
            if early < due - 1e-3:
                assert self.did(lambda at=early: self.made.advance(at)) == []  # type: ignore[misc]
            self.now = due
            assert self.did(lambda at=due: self.made.advance(at)) != []  # type: ignore[misc]
            later = self.made.next_deadline()
            assert later is None or later > due, "deadlines move forward"
        self.now = until

    @rule(seconds=st.sampled_from([0.0, 3.0]))
    def stall_and_resume(self, seconds: float) -> None:
        self.made.suspend(self.now)
        self.advance_by(seconds)
        if not self.closed:
            self.did(lambda: self.made.resume(self.now))

    @rule()
    def shut_down(self) -> None:
        effects = self.did(lambda: self.made.shut_down(self.now))
        told = not self.closed and self.profile.server_shutdown
        assert [type(e) for e in effects] == [SendNotice] * told

    # --- what always holds ---

    @invariant()
    def subscriptions_are_a_set_within_the_limit(self) -> None:
        if hasattr(self, "model"):
            assert self.made.subscriptions == tuple(self.model)
            assert len(self.model) <= MOST_STREAMS

    @invariant()
    def nothing_piles_up(self) -> None:
        if hasattr(self, "model"):
            assert len(self.made._unanswered) <= MOST_PINGS

    @invariant()
    def a_closed_session_says_and_waits_for_nothing_and_another_takes_its_place(self) -> None:
        if not hasattr(self, "model"):
            return
        assert (self.made.state is State.CLOSING) == self.closed
        if self.closed:
            made, later = self.made, self.now + 1000.0
            assert made.next_deadline() is None
            assert not made.receive_text('{"method":"LIST_SUBSCRIPTIONS","id":1}', later)
            assert not made.receive_binary(later)
            assert not made.receive_ping(b"", later)
            assert not made.receive_pong(b"", later)
            assert not made.receive_close(1000, "", later)
            assert not made.advance(later)
            assert not made.shut_down(later)
            assert not made.shut_down_over()
            made.suspend(later)
            assert not made.resume(later)
            self.open("/ws")


TestAnyClient = AnyClient.TestCase
TestAnyClient.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
