"""Where the Toxiproxy server comes from, as an answer and as lines."""

from __future__ import annotations

import os

from mockex.doctor.answer import Answer, State
from mockex.faults.provisioning import VERSION, Found, Missing, find

NEEDED_FOR = "--link and faults of a link, on the machine: latency, bandwidth, held bytes"


def toxiproxy() -> Answer:
    """Whether there is a server; takes 10 s at most, where one hangs that is asked its version."""
    server = find()
    if isinstance(server, Found):
        state, what, repair = State.OK, f"{VERSION}, {server.binary or server.url}", ""
    else:
        state, what, repair = State.LACKING, f"no server {VERSION}", server.repair
    return Answer(
        name="toxiproxy",
        state=state,
        what=what,
        needed_for=NEEDED_FOR,
        repair=repair,
        required=True,
        details=tuple(steps(server)),
    )


def steps(server: Found | Missing) -> list[str]:
    """Each step with its reason. `>` marks the one that counts, `!` a setting that somebody made
    and that is not used."""
    counts = len(server.steps) if isinstance(server, Found) else 0
    lines = []
    for number, (what, why) in enumerate(server.steps, 1):
        mark = ">" if number == counts else "!" if os.environ.get(what) else " "
        lines += [f"{mark} {number} {what}", f"      {why}"]
    return lines


def told(server: Found | Missing) -> list[str]:
    """What was found, for who has just asked for it."""
    lines = [f"Toxiproxy server {VERSION}", f"  needed for {NEEDED_FOR}", "", *steps(server), ""]
    if isinstance(server, Found):
        return [*lines, f"ok: {server.binary or server.url} ({server.how})"]
    return [*lines, "missing; to get it:", f"  {server.repair}"]
