"""Audiences: who shares bytes with whom, and what the journal says of it."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from mockex.server.fanout import Fanout
from mockex.server.frames import data_frame, text_frame
from mockex.server.gate import Gate
from mockex.server.journal import Delivered, Joined, Journal, Left
from mockex.streams.envelope import Event, Form, combined, spell

A, B = "a@trade", "b@trade"
RAW = Form()


class FakeMember:
    def __init__(self, number: int, *streams: str, form: Form = RAW) -> None:
        self.number = number
        self.form = form
        self.served = frozenset(streams)
        self.gate: Gate | None = None
        self.got = b""
        self.gated: list[Event] = []

    def write(self, data: bytes) -> None:
        self.got += data

    def deliver_gated(self, step: int, events: list[Event]) -> None:
        self.gated += events


def event(stream: str, number: int) -> Event:
    return Event(stream, f'{{"t":{number}}}', number, number)


def fanout() -> tuple[Fanout, Journal, list[str]]:
    journal, told = Journal(), list[str]()
    made = Fanout(
        journal, lambda: 1.0, lambda s: told.append("+" + s), lambda s: told.append("-" + s)
    )
    return made, journal, told


def test_members_with_the_same_streams_and_mode_share_one_flush() -> None:
    out, journal, _ = fanout()
    first, second = FakeMember(1, A), FakeMember(2, A)
    out.join(first)
    out.join(second)
    out.publish(7, [event(A, 1), event(A, 2)])
    assert first.got == second.got == text_frame('{"t":1}') + text_frame('{"t":2}')
    (entry,) = journal.of(Delivered)
    assert entry.step == 7
    assert (entry.streams[A].first_id, entry.streams[A].last_id) == (1, 2)
    assert (entry.streams[A].events, entry.streams[A].bytes) == (2, len(first.got))


def test_streams_are_wanted_and_given_up_in_the_order_of_their_names() -> None:
    out, _, told = fanout()
    names = [f"{symbol}@trade" for symbol in "qwertyuiop"]
    member = FakeMember(1, *names)
    out.join(member)
    out.leave(member)
    assert told == [f"+{name}" for name in sorted(names)] + [f"-{name}" for name in sorted(names)]


def test_raw_and_combined_get_their_own_form() -> None:
    out, _, _ = fanout()
    raw, wrapped = FakeMember(1, A), FakeMember(2, A, form=Form(combined=True))
    out.join(raw)
    out.join(wrapped)
    out.publish(1, [event(A, 1)])
    assert raw.got == text_frame('{"t":1}')
    assert wrapped.got == text_frame(combined(A, '{"t":1}'))


FORMS = [
    Form(in_combined, micro, deflated)
    for in_combined in (False, True)
    for micro in (False, True)
    for deflated in (False, True)
]
TRADE = Event(A, '{"e":"trade","E":5,"t":1,"T":4}', 1, 1)


def test_every_form_has_bytes_of_its_own_and_members_of_a_form_share_them() -> None:
    out, journal, _ = fanout()
    members = [FakeMember(2 * n + twin, A, form=form) for n, form in enumerate(FORMS)
               for twin in (1, 2)]  # fmt: skip
    for member in members:
        out.join(member)
    out.publish(1, [TRADE])
    for member in members:
        text = spell(TRADE, member.form)
        assert member.got == data_frame(text, deflated=member.form.deflated)
    entries = list(journal.of(Delivered))
    assert len(entries) == len(FORMS)
    assert sorted(e.streams[A].bytes for e in entries) == sorted(len(m.got) for m in members[::2])


def test_a_form_is_made_once_however_many_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Form] = []

    def counted(event: Event, form: Form) -> str:
        made.append(form)
        return spell(event, form)

    monkeypatch.setattr("mockex.server.fanout.spell", counted)
    out, _, _ = fanout()
    special = Form(micro=True, deflated=True)
    for number, streams in enumerate([(A,), (A, B), (A, "c@trade")], 1):
        out.join(FakeMember(number, *streams, form=special))
    out.join(FakeMember(9, A))
    out.publish(1, [TRADE])
    assert made == [special]


def test_a_member_gets_only_its_streams_in_order() -> None:
    out, _, _ = fanout()
    one, both = FakeMember(1, B), FakeMember(2, A, B)
    out.join(one)
    out.join(both)
    out.publish(1, [event(A, 1), event(B, 2), event(A, 3)])
    assert one.got == text_frame('{"t":2}')
    assert both.got == b"".join(text_frame(f'{{"t":{n}}}') for n in (1, 2, 3))


def test_streams_are_wanted_from_the_first_user_to_the_last() -> None:
    out, _, told = fanout()
    first, second = FakeMember(1, A), FakeMember(2, A, B)
    out.join(first)
    out.join(second)
    out.leave(first)
    assert told.count("+" + A) == 1
    assert "-" + A not in told
    out.leave(second)
    assert set(told) == {"+" + A, "+" + B, "-" + A, "-" + B}


def test_a_gated_member_is_an_audience_of_one_beside_the_others() -> None:
    out, journal, _ = fanout()
    plain, faulted = FakeMember(1, A), FakeMember(2, A)
    out.join(plain)
    out.join(faulted)
    faulted.gate = Mock(Gate)
    out.join(faulted)
    out.publish(1, [event(A, 1)])
    assert faulted.got == b""
    assert faulted.gated == [event(A, 1)]
    assert plain.got
    out.leave(faulted)
    out.publish(2, [event(A, 2)])
    assert plain.got.endswith(text_frame('{"t":2}')), "the shared audience must survive"
    assert [e.conn for e in journal.of(Joined)] == [1, 2, 2]
    assert [e.conn for e in journal.of(Left)] == [2, 2]


def test_a_stream_that_goes_on_is_not_given_up_in_between() -> None:
    out, _, told = fanout()
    member = FakeMember(1, A)
    out.join(member)
    member.gate = Mock(Gate)  # a fault, and then another subscription
    out.join(member)
    member.served = frozenset({A, B})
    out.join(member)
    assert told == [f"+{A}", f"+{B}"]
    member.served = frozenset({B})
    out.join(member)
    member.served = frozenset()
    out.join(member)
    assert told == [f"+{A}", f"+{B}", f"-{A}", f"-{B}"]


def test_a_member_that_pauses_gets_nothing_and_its_streams_go_on() -> None:
    out, journal, told = fanout()
    member = FakeMember(1, A, B)
    out.join(member)
    out.pause(member)
    out.pause(member)
    out.publish(1, [event(A, 1)])
    assert not member.got
    assert told == ["+" + A, "+" + B]
    member.served = frozenset({A})  # it has unsubscribed meanwhile
    out.join(member)
    out.publish(2, [event(A, 2), event(B, 2)])
    assert member.got == text_frame('{"t":2}')
    out.pause(member)
    out.leave(member)
    out.leave(member)
    assert told == ["+" + A, "+" + B, "-" + B, "-" + A]
    assert [type(entry) for entry in journal.entries if not isinstance(entry, Delivered)] == [
        Joined, Left, Joined, Left,
    ]  # fmt: skip
