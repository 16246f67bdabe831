"""Random schedules of faults and commands against a testee in virtual time, shrunk to the shortest
that still fails; `play` runs one of them again."""

from mockex_conformance.explore.play import play
from mockex_conformance.explore.schedule import Schedule, Step

__all__ = ["Schedule", "Step", "play"]
