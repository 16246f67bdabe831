"""The table: complete, closed, and unable to make two connections of one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockex_adapter.lifecycle import TABLE, Action, Event, State, step

HAS_CURRENT = {State.LIVE, State.LEAVING, State.HANDOVER, State.OVERLAP}
HAS_ATTEMPT = {State.DIALLING, State.HANDOVER, State.OVERLAP}
WAITS = {State.WAITING, State.LEAVING}


@pytest.mark.parametrize(
    ("state", "event", "after", "actions"),
    [(*before, *after) for before, after in TABLE.items()],
    ids=[f"{state.name}-{event.name}" for state, event in TABLE],
)
def test_every_row_does_what_its_new_state_needs(
    state: State, event: Event, after: State, actions: tuple[Action, ...]
) -> None:
    assert step(state, event) == (after, actions)
    makes_attempt = after in HAS_ATTEMPT and state not in HAS_ATTEMPT
    assert (Action.DIAL in actions) is makes_attempt
    if Action.WAIT in actions:
        assert after in WAITS
        assert state not in WAITS
    if Action.RETIRE in actions:
        assert actions.index(Action.RETIRE) < actions.index(Action.ADOPT)


@pytest.mark.parametrize("state", State)
def test_close_releases_everything_from_every_state(state: State) -> None:
    after, actions = step(state, Event.CLOSE)
    assert after is State.CLOSED
    assert actions == (() if state is State.CLOSED else (Action.RELEASE,))


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_events_without_meaning_change_nothing(state: State, event: Event) -> None:
    if (state, event) not in TABLE and event is not Event.CLOSE:
        assert step(state, event) == (state, ())


class Counts:
    """Connections, attempts and timers, as a supervisor would have them."""

    def __init__(self) -> None:
        self.current = self.attempt = self.timer = 0

    def possible(self, event: Event) -> bool:
        match event:
            case Event.LOST:
                return self.current > 0
            case Event.FAILED | Event.OPENED | Event.SERVING:
                return self.attempt > 0
            case Event.DUE:
                return self.timer > 0
            case _:
                return True

    def happens(self, event: Event) -> None:
        self.current -= event is Event.LOST
        self.attempt -= event is Event.FAILED
        self.timer -= event is Event.DUE

    def perform(self, action: Action) -> None:
        match action:
            case Action.DIAL:
                self.attempt += 1
            case Action.WAIT:
                self.timer += 1
            case Action.ADOPT:
                self.attempt -= 1
                self.current += 1
            case Action.RETIRE | Action.FORGET:
                self.current = 0
            case Action.RELEASE:
                self.current = self.attempt = self.timer = 0


@given(st.lists(st.sampled_from(Event), max_size=60))
def test_no_sequence_of_events_makes_a_third_connection_or_a_second_timer(
    events: list[Event],
) -> None:
    state, counts = State.CLOSED, Counts()
    for event in filter(counts.possible, events):
        counts.happens(event)
        state, actions = step(state, event)
        for action in actions:
            counts.perform(action)
        assert counts.current == (state in HAS_CURRENT)
        assert counts.attempt == (state in HAS_ATTEMPT)
        assert counts.timer == (state in WAITS)


def test_notice_close_and_reset_in_one_instant_are_one_attempt() -> None:
    state, actions = State.LIVE, list[Action]()
    for event in (Event.NOTICE, Event.LOST, Event.LOST, Event.NOTICE, Event.DUE, Event.NOTICE):
        state, more = step(state, event)
        actions += more
    assert state is State.DIALLING
    assert actions.count(Action.DIAL) == 1
    assert actions.count(Action.WAIT) == 1
