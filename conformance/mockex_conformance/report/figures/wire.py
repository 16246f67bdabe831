"""What went over the wire and what the case did, in lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mockex_conformance.recording import Recording

Direction = Literal["in", "out", ""]


@dataclass(frozen=True, slots=True)
class WireLine:
    """One line. `t` counts seconds since the case began; `connection` is `c3`, `REST`, `testee`,
    `suite` or empty; `direction` is seen from the exchange; `what` is a word (`deliveries`,
    `fault`, `close`), `text` is for people; `marked`: a fault or a finding."""

    t: float
    connection: str
    direction: Direction
    what: str
    text: str
    marked: bool = False


def wire_log(
    recording: Recording, around: Sequence[float] | None = None, most: int = 80
) -> list[WireLine]:
    """The lines next to the moments `around` (seconds since the case began), at most `most`; by
    default those of the faults. Runs of the same are folded into one line."""
    return []


def wire_text(recording: Recording) -> str:
    """The whole log as text, a line each."""
    return ""
