"""Events in unusual frames and writes, read back by a client's own parser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from mockex.faults import Enlarge, Fragment, Gather
from mockex.server.fanout import event_frame
from mockex.server.framing import FrameOf, enlarged, framing_of
from mockex.server.injection import Injection
from mockex.streams.envelope import Event, Form, combined

A, ARRAY = "a@trade", "!miniTicker@arr"


class Receiver:
    """A connection that keeps what is written, write by write."""

    number = 3

    def __init__(self, form: Form = Form()) -> None:  # noqa: B008 - a value
        self.form = form
        self.writes: list[bytes] = []
        self.pings: list[bytes] = []
        self.journaled: list[tuple[int, int]] = []  # step, bytes

    def delivered(self, step: int, events: list[Event], frame_of: FrameOf | None = None) -> bytes:
        data = b"".join((frame_of or event_frame)(event, self.form) for event in events)
        self.journaled.append((step, len(data)))
        return data

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def pinged(self, payload: bytes) -> None:
        self.pings.append(payload)

    def frames(self, *extensions: PerMessageDeflate) -> list[Frame]:
        parser = ClientProtocol(parse_uri("ws://x/"), state=State.OPEN, max_size=None)
        parser.extensions = list(extensions)
        parser.receive_data(b"".join(self.writes))
        assert parser.parser_exc is None
        return [event for event in parser.events_received() if isinstance(event, Frame)]


class Told(Injection):
    def __init__(self) -> None:
        self.seen: list[list[int]] = []
        self.why = ""

    def happened(self, conns: Sequence[int], detail: str = "") -> None:
        self.seen.append(list(conns))

    def failed(self, why: str) -> None:
        self.why = why


def event(number: int) -> Event:
    return Event(A, f'{{"t":{number}}}', number, number)


def messages(frames: list[Frame]) -> Iterator[str]:
    """The texts that a client reads; pings are none of them."""
    parts: list[bytes] = []
    for got in frames:
        if got.opcode is not Opcode.PING:
            parts.append(bytes(got.data))
            if got.fin:
                yield b"".join(parts).decode()
                parts.clear()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_an_event_in_fragments_is_the_same_message(size: int) -> None:
    to, told = Receiver(Form(combined=True)), Told()
    assert framing_of(Fragment(bytes=size), told).write(to, 1, [event(1)])
    text = combined(A, '{"t":1}')
    frames = to.frames()
    assert list(messages(frames)) == [text]
    data = [got for got in frames if got.opcode is not Opcode.PING]
    assert [len(got.data) for got in data[:-1]] == [size] * ((len(text) - 1) // size)
    assert [got.opcode for got in data] == [Opcode.TEXT] + [Opcode.CONT] * (len(data) - 1)
    assert told.seen == [[3]]


def test_pings_stand_between_the_fragments_and_are_journaled() -> None:
    to = Receiver()
    framing_of(Fragment(bytes=1, pings=3), Told()).write(to, 1, [event(1)])
    frames = to.frames()
    places = [n for n, got in enumerate(frames) if got.opcode is Opcode.PING]
    assert places == [1, 4, 7]  # of 7 fragments and 3 pings; the first and the last are none
    assert [bytes(frames[n].data) for n in places] == to.pings
    assert len(set(to.pings)) == 3
    assert to.journaled == [(1, len(to.writes[0]))]


@pytest.mark.parametrize(("size", "pings"), [(4, 1), (7, 0), (100, 0)])
def test_there_are_no_more_pings_than_places_for_them(size: int, pings: int) -> None:
    to = Receiver()
    framing_of(Fragment(bytes=size, pings=50), Told()).write(to, 1, [event(1)])
    assert len(to.pings) == pings
    assert list(messages(to.frames())) == ['{"t":1}']


def test_as_many_events_as_were_asked_for_are_cut_and_the_others_are_whole() -> None:
    to, told = Receiver(), Told()
    framing = framing_of(Fragment(bytes=1, events=2, pings=0), told)
    assert not framing.write(to, 1, [event(1)])
    assert framing.write(to, 2, [event(2), event(3), event(4)])
    assert list(messages(to.frames())) == [f'{{"t":{n}}}' for n in (1, 2, 3, 4)]
    assert len(to.frames()) == 7 + 7 + 1 + 1
    assert len(to.writes) == 3, "each event that is cut by itself, the rest as usual"
    assert told.seen == [[3]], "with the first"


def test_a_compressed_message_in_fragments_is_marked_once() -> None:
    to = Receiver(Form(deflated=True))
    framing_of(Fragment(bytes=1, pings=1), Told()).write(to, 1, [event(1)])
    frames = to.frames(PerMessageDeflate(True, True, 15, 15))
    assert list(messages(frames)) == ['{"t":1}']
    assert sum(bool(got.rsv1) for got in frames) <= 1


def test_gathered_events_go_out_in_one_write_in_their_order() -> None:
    to, told = Receiver(), Told()
    framing = framing_of(Gather(events=3), told)
    assert not framing.write(to, 1, [event(1)])
    assert not framing.write(to, 2, [event(2)])
    assert not to.writes
    assert not told.seen
    assert framing.write(to, 3, [event(3)])
    assert len(to.writes) == 1
    assert list(messages(to.frames())) == [f'{{"t":{n}}}' for n in (1, 2, 3)]
    assert [step for step, _ in to.journaled] == [1, 2, 3]
    assert told.seen == [[3]]


def test_what_waits_is_given_up_when_the_wait_is_ended_and_that_is_no_evidence() -> None:
    to, told = Receiver(), Told()
    framing = framing_of(Gather(events=3), told)
    framing.write(to, 1, [event(1)])
    assert framing.give_up() == [(1, [event(1)])]
    assert framing.give_up() == []
    assert not to.writes
    assert not told.seen


def test_an_array_is_enlarged_by_its_own_rows() -> None:
    to, told = Receiver(Form(combined=True)), Told()
    framing = framing_of(Enlarge(stream=ARRAY, bytes=20), told)
    assert not framing.write(to, 1, [event(1)]), "another stream is left alone"
    array = Event(ARRAY, '[{"s":1}]', 0, 0)
    assert framing.write(to, 2, [array, event(2)])
    wrapped = combined(ARRAY, '[{"s":1},{"s":1}]')
    assert list(messages(to.frames())) == [
        combined(A, '{"t":1}'), wrapped, combined(A, '{"t":2}'),
    ]  # fmt: skip
    assert told.seen == [[3]]


def test_what_is_no_array_is_sent_as_it_is_and_said() -> None:
    to, told = Receiver(), Told()
    assert framing_of(Enlarge(stream=A, bytes=20), told).write(to, 1, [event(1)])
    assert list(messages(to.frames())) == ['{"t":1}']
    assert told.why == "Enlarge: an event of a@trade is no array with rows"
    assert not told.seen


@pytest.mark.parametrize("size", [1, 8, 9, 100, 101, 102, 1 << 16])
def test_an_enlarged_array_is_as_large_as_fits_and_never_smaller_than_it_was(size: int) -> None:
    text = enlarged('["这",2]', size)
    assert text is not None
    length = len(text.encode())
    assert length == 9 or size - len('"这",2,'.encode()) < length <= size


def test_an_empty_array_cannot_be_enlarged() -> None:
    assert enlarged("[]", 100) is None
