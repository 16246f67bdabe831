"""A link that is changed under clients that come and go: nothing hangs."""

from __future__ import annotations

import asyncio

import pytest

from mockex.faults.link import Ends
from tests.links.churn import CLIENTS, churn

pytestmark = [pytest.mark.toxiproxy, pytest.mark.alone]

SECONDS = 4  # of each; `python -m tests.links.churn --seconds 60` is the long one
LONGEST_S = 3.0  # of a call, on any machine: what the calls themselves are limited to


@pytest.mark.parametrize("ends", ["fin", "reset"])
def test_clients_that_come_and_go_get_on_while_their_link_is_changed(ends: Ends) -> None:
    done = asyncio.run(churn(SECONDS, ends))
    assert not done.broken
    calls = [took for each in done.calls_s.values() for took in each]
    assert len(calls) >= SECONDS
    assert max(calls) < LONGEST_S
    assert done.lives >= CLIENTS
    assert done.got_on == CLIENTS
