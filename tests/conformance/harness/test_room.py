"""Whether the machine has room: seconds are handed in."""

from __future__ import annotations

from mockex_conformance.harness.room import Room, processor_s


class Machine:
    """Two cores, of which a share is busy from now on."""

    def __init__(self) -> None:
        self.now = 100.0
        self._busy = self._total = 1000.0

    def passes(self, seconds: float, share: float) -> None:
        self.now += seconds
        self._busy += 2 * seconds * share
        self._total += 2 * seconds

    def measure(self) -> tuple[float, float]:
        return self._busy, self._total


def test_the_last_second_counts_and_nothing_before() -> None:
    machine = Machine()
    room = Room(machine.measure)
    assert room.busy(machine.now) == 0.0
    for _ in range(8):
        machine.passes(0.25, 1.0)
        assert room.busy(machine.now) == 1.0
    machine.passes(0.5, 0.0)
    assert room.busy(machine.now) == 0.5
    machine.passes(0.5, 0.0)
    assert room.busy(machine.now) == 0.0


def test_a_busy_machine_has_no_room_until_it_is_quiet() -> None:
    machine = Machine()
    room = Room(machine.measure)
    assert room.for_one_more(machine.now)
    machine.passes(1.0, 0.9)
    assert not room.for_one_more(machine.now)
    machine.passes(0.6, 0.3)
    assert room.for_one_more(machine.now)


def test_starts_are_apart_because_a_new_case_does_not_show_yet() -> None:
    machine = Machine()
    room = Room(machine.measure)
    assert room.for_one_more(machine.now)
    room.started(machine.now)
    machine.passes(0.1, 0.0)
    assert not room.for_one_more(machine.now)
    machine.passes(0.11, 0.0)
    assert room.for_one_more(machine.now)
    assert not room.for_one_more(machine.now, apart_s=1.0)
    machine.passes(0.8, 0.0)
    assert room.for_one_more(machine.now, apart_s=1.0)


def test_the_last_second_is_the_last_one_also_if_nobody_asked_in_it() -> None:
    machine = Machine()
    room = Room(machine.measure)
    room.look(machine.now)
    for share in (0.0, 0.0, 0.0, 0.9):
        machine.passes(1.0, share)
        room.look(machine.now)
    assert not room.for_one_more(machine.now)


def test_the_processor_seconds_of_this_machine_add_up() -> None:
    busy, total = processor_s()
    assert 0 < busy < total
