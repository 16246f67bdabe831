"""A fault on its way: what those who do it report to."""

from __future__ import annotations

from collections.abc import Sequence


class Injection:
    """A fault on its way: what the gate and the connections report to."""

    def happened(self, conns: Sequence[int], detail: str = "") -> None:
        """The fault happened, to these connections."""
        raise NotImplementedError

    def failed(self, why: str) -> None:
        """The fault could not be done when its time had come."""
        raise NotImplementedError

    def let_go(self, why: str = "") -> None:
        """Whoever held something of the fault does so no more: because it was told to, or else
        `why`, which is the reason if the fault never happened."""
        raise NotImplementedError


class Unwatched(Injection):
    """What is part of something else: nobody waits to see it."""

    def happened(self, conns: Sequence[int], detail: str = "") -> None:
        """Nobody is told."""

    def failed(self, why: str) -> None:
        """Nobody is told."""

    def let_go(self, why: str = "") -> None:
        """Nobody is told."""
