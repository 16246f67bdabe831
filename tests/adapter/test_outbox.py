"""The bounded queue to the consumer."""

from __future__ import annotations

from mockex_adapter.outbox import BookChanged, Gap, Item, Outbox, Stale, StreamEvent


def drained(outbox: Outbox) -> list[Item]:
    items: list[Item] = []
    while (item := outbox.get()) is not None:
        items.append(item)
    return items


def event(number: int, stream: str = "a") -> StreamEvent:
    return StreamEvent(stream, number, None)


def test_full_queue_drops_the_oldest_events_and_announces_the_hole() -> None:
    outbox = Outbox(3)
    outbox.put(event(1))
    assert drained(outbox) == [event(1)]
    for number in range(2, 8):
        outbox.put(event(number))
    assert drained(outbox) == [Gap("a", 1, 5), event(5), event(6), event(7)]


def test_hole_on_the_wire_is_announced_before_the_event_behind_it() -> None:
    outbox = Outbox(9)
    outbox.put(event(1))
    outbox.put(event(5), behind_hole=True)
    assert drained(outbox) == [event(1), Gap("a", 1, 5), event(5)]


def test_hole_whose_event_was_dropped_is_announced_before_the_next_one() -> None:
    outbox = Outbox(2)
    outbox.put(event(5), behind_hole=True)
    outbox.put(event(6))
    outbox.put(event(7))
    assert drained(outbox) == [Gap("a", None, 6), event(6), event(7)]


def test_hole_in_one_stream_says_nothing_about_another() -> None:
    outbox = Outbox(2)
    for item in (event(1), event(1, "b"), event(2, "b")):
        outbox.put(item)
    outbox.put(event(2))
    assert drained(outbox) == [Gap("b", None, 2), event(2, "b"), Gap("a", None, 2), event(2)]


def test_books_are_told_once_and_notices_outlive_events() -> None:
    outbox = Outbox(2)
    for item in (Stale("a", 1), BookChanged("x"), BookChanged("x"), event(1), event(2)):
        outbox.put(item)
    assert drained(outbox) == [Stale("a", 1), BookChanged("x")]


def test_queue_of_notices_is_bounded_too() -> None:
    outbox = Outbox(2)
    for number in range(5):
        outbox.put(Stale("a", number))
    assert len(outbox) == 2
