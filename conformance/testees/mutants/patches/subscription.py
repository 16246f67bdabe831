"""Wrong about subscriptions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mockex_adapter.link import Link
from mockex_adapter.pacing import Ledger, Request
from patches import count_dials, mutant


@mutant
def drops_the_sixth() -> None:
    """Subscribes the first five streams."""
    next_request, complete = Ledger.next_request, Ledger.complete

    def first_five(self: Ledger, wanted: Any, suspects: Any, now: float) -> Request | None:
        return next_request(self, list(wanted)[:5], suspects, now)

    Ledger.next_request = first_five
    Ledger.complete = lambda self, wanted: complete(self, list(wanted)[:5])


@mutant
def forgets_streams() -> None:
    """Subscribes at start only: after a loss it asks for the first stream and no more."""
    count_dials()
    next_request = Link._next_request

    def at_start(self: Link) -> Request | None:
        wanted = self.owner.wanted
        if self.owner.dials > 1:
            self.owner.wanted = dict(list(wanted.items())[:1])
        try:
            return next_request(self)
        finally:
            self.owner.wanted = wanted

    Link._next_request = at_start


@mutant
def list_grows() -> None:
    """Appends the restored streams to the list of wanted ones."""
    count_dials()
    next_request = Link._next_request

    def grown(self: Link) -> Request | None:
        request = next_request(self)
        if request is None:
            return None
        return replace(request, names=request.names * self.owner.dials)

    Link._next_request = grown
