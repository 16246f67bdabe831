"""The life of one line, as a table: pure, complete, and the only place where it is decided.

A *line* is the place of one connection: a set of streams that one connection shall carry. It has
at most one *current* connection, whose events reach the consumer, and at most one *attempt* to
get the next one. The seven states are the combinations of the two that make sense:

    =========  ================  ==========================================
    state      current           attempt
    =========  ================  ==========================================
    CLOSED     none              none (nothing is wanted)
    WAITING    none              waits for its time
    DIALLING   none              handshake pending
    LIVE       yes               none
    LEAVING    yes, will end     waits for its time
    HANDOVER   yes, will end     handshake pending
    OVERLAP    yes, will end     upgraded, its streams are being moved over
    =========  ================  ==========================================

Every reason to replace a connection is one of two events: LOST (it is gone, or was judged dead
and aborted) and NOTICE (it works but shall be left: announced end, own renewal, the caller's
wish). An event that means nothing in a state changes nothing, which is why a notice, a close
frame and a reset in the same instant, or twenty calls of `reconnect`, cost one connection: the
first one leads to a state in which the others mean nothing. No row dials while an attempt exists,
so two owners, or two connections where one is allowed, cannot be written down here.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """Where a line is; see the table above."""

    CLOSED = auto()
    WAITING = auto()
    DIALLING = auto()
    LIVE = auto()
    LEAVING = auto()
    HANDOVER = auto()
    OVERLAP = auto()


class Event(Enum):
    """What can happen to a line."""

    START = auto()  # streams are wanted
    CLOSE = auto()  # none is any more
    DUE = auto()  # the wait before the next attempt is over
    OPENED = auto()  # the attempt was upgraded
    FAILED = auto()  # the attempt is over, before or after its upgrade
    LOST = auto()  # the current connection is over
    NOTICE = auto()  # the current connection shall be left while it still works
    SERVING = auto()  # the attempt delivers everything that the current connection does


class Action(Enum):
    """What the supervisor must do, in the order given."""

    WAIT = auto()  # arm the timer that ends in DUE; the back-off says how long
    DIAL = auto()  # make an attempt
    ADOPT = auto()  # the attempt becomes the current connection
    FORGET = auto()  # there is no current connection: tell the consumer of the break
    RETIRE = auto()  # close the current connection in peace
    RELEASE = auto()  # close everything and disarm the timer


TABLE: dict[tuple[State, Event], tuple[State, tuple[Action, ...]]] = {
    (State.CLOSED, Event.START): (State.DIALLING, (Action.DIAL,)),
    (State.WAITING, Event.DUE): (State.DIALLING, (Action.DIAL,)),
    (State.DIALLING, Event.OPENED): (State.LIVE, (Action.ADOPT,)),
    (State.DIALLING, Event.FAILED): (State.WAITING, (Action.WAIT,)),
    (State.LIVE, Event.LOST): (State.WAITING, (Action.FORGET, Action.WAIT)),
    (State.LIVE, Event.NOTICE): (State.LEAVING, (Action.WAIT,)),
    (State.LEAVING, Event.DUE): (State.HANDOVER, (Action.DIAL,)),
    (State.LEAVING, Event.LOST): (State.WAITING, (Action.FORGET,)),
    (State.HANDOVER, Event.OPENED): (State.OVERLAP, ()),
    (State.HANDOVER, Event.FAILED): (State.LEAVING, (Action.WAIT,)),
    (State.HANDOVER, Event.LOST): (State.DIALLING, (Action.FORGET,)),
    (State.OVERLAP, Event.SERVING): (State.LIVE, (Action.RETIRE, Action.ADOPT)),
    (State.OVERLAP, Event.FAILED): (State.LEAVING, (Action.WAIT,)),
    # No FORGET: what the attempt has held back since its upgrade may well close the hole.
    (State.OVERLAP, Event.LOST): (State.LIVE, (Action.ADOPT,)),
}


def step(state: State, event: Event) -> tuple[State, tuple[Action, ...]]:
    """The state after `event`, and what must be done for it."""
    if event is Event.CLOSE:
        return State.CLOSED, () if state is State.CLOSED else (Action.RELEASE,)
    return TABLE.get((state, event), (state, ()))
