"""Variables of the environment that look like settings of ours and are none."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping

from mockex.doctor.answer import Answer, State

PREFIX = "MOCKEX_"
# Read beside the flags of commands.
OURS = frozenset({"MOCKEX_TOXIPROXY_URL", "MOCKEX_TOXIPROXY_BIN", "MOCKEX_TRACEBACK"})
# What a testee is told (docs/point-your-adapter.md). Whoever sets one tries a testee by hand.
TOLD_TO_TESTEES = frozenset(
    {
        "MOCKEX_CA_FILE",
        "MOCKEX_LIFETIME_S",
        "MOCKEX_MODE",
        "MOCKEX_PROFILE",
        "MOCKEX_REST_URL",
        "MOCKEX_STREAMS",
        "MOCKEX_SYMBOLS",
        "MOCKEX_TIME_SCALE",
        "MOCKEX_WS_URL",
    }
)


def variables(environ: Mapping[str, str], of_flags: Callable[[], Collection[str]]) -> Answer:
    """Whether each variable of ours is known to somebody. `of_flags` says those of all commands,
    and is asked only if there is one that it might be: it imports them all."""
    found = sorted(name for name in environ if name.startswith(PREFIX))
    unknown = [name for name in found if name not in OURS | TOLD_TO_TESTEES]
    state, what, repair = State.OK, f"{', '.join(found) or 'no ' + PREFIX + '*'} set", ""
    if unknown:
        known = {*OURS, *TOLD_TO_TESTEES, *of_flags()}
        unknown = [name for name in unknown if name not in known]
        if unknown:
            state, what = State.BROKEN, f"no command knows {', '.join(unknown)}"
            repair = "; ".join(_repair(name, known) for name in unknown)
    return Answer(
        name="variables",
        state=state,
        what=what,
        needed_for="settings that count",
        repair=repair,
    )


def _repair(name: str, known: Collection[str]) -> str:
    """The nearest one that there is; the beginning, which all have, makes none near."""
    endings = [one.removeprefix(PREFIX) for one in sorted(known)]
    near = difflib.get_close_matches(name.removeprefix(PREFIX), endings, n=1, cutoff=0.7)
    return f"{name}: did you mean {PREFIX}{near[0]}?" if near else f"unset {name}"
