"""Where a real Toxiproxy and the simulated network differ, and where chance decides: each with its
reason. What is not said here is the same on both."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from mockex.faults import Bandwidth, BlackHole, FinLink, LimitData, Refused, Release, Slice
from mockex.faults.link import Direction
from tests.links.program import Saw
from tests.links.situation import UNEVEN, Situation

BYTES = ("down", "up", "down_after", "up_after")


@dataclass(frozen=True)
class Rule:
    """`real`: by field, a pattern of what Toxiproxy shows. By chance, the simulated network shows
    something of that as well; else it never does."""

    why: str
    applies: Callable[[Situation], bool]
    real: Mapping[str, str]
    by_chance: bool = False


def _replaced(one: Situation) -> bool:
    return one.moment == "during" and isinstance(one.fault, Bandwidth | Slice)


def _ended_by_the_proxy_with_a_fin(one: Situation) -> bool:
    ends = isinstance(one.fault, FinLink | Refused | LimitData) or isinstance(one.over, Release)
    swallowed = isinstance(one.fault, BlackHole) and one.over is not None
    return one.ends == "fin" and one.traffic == "streaming" and (ends or swallowed)


def _limited_stream(direction: Direction) -> Callable[[Situation], bool]:
    def applies(one: Situation) -> bool:
        fault = one.fault
        is_so = isinstance(fault, LimitData) and fault.direction is direction
        return is_so and one.traffic == "streaming"

    return applies


def _limited_with_rst(direction: Direction, *, cleared: bool) -> Callable[[Situation], bool]:
    """`cleared`: a further connection meets no limit."""

    def applies(one: Situation) -> bool:
        fault = one.fault
        is_so = isinstance(fault, LimitData) and fault.direction is direction
        return is_so and one.ends == "reset" and (one.over is not None) is cleared

    return applies


_SOME = r"–|nothing|(all|a part|\d+ bytes) at once"
_AT_MOST_100 = r"–|nothing|(100|\d\d?) bytes at once|a part at once"

RULES = (
    Rule(
        "Toxiproxy hangs when a rate or slices are changed under connections that end meanwhile, "
        "so the proxy is replaced, and its connections end as the link ends them (now and then "
        "with a RST, as 3 says); on a simulated link they go on",
        _replaced,
        {
            "client": "(FIN|RST) after the fault",
            "server": "(FIN|RST) after the fault",
            **dict.fromkeys(BYTES, "–"),
        },
    ),
    Rule(
        "Toxiproxy halves a chunk until no piece is larger than what was asked for; the simulated "
        "network cuts pieces of just that size, and the rest",
        lambda one: isinstance(one.fault, Slice) and one.word == UNEVEN,
        {"also": "pieces of 28 bytes"},
    ),
    Rule(
        "a proxy that closes a socket with bytes unread resets it: with traffic both ways a FIN "
        "that the link makes is now and then a RST; in the simulated network it is a FIN",
        _ended_by_the_proxy_with_a_fin,
        dict.fromkeys(("client", "server"), "(FIN|RST) .*|ends it|refused"),
        by_chance=True,
    ),
    *(
        Rule(
            "how many bytes of the other direction are through when the limit is reached",
            _limited_stream(direction),
            {other: _SOME, f"{other}_after": _SOME},
            by_chance=True,
        )
        for direction, other in ((Direction.DOWNSTREAM, "up"), (Direction.UPSTREAM, "down"))
    ),
    *(
        Rule(
            "a RST discards what was received and not yet read: of the bytes within the limit none "
            "may be read",
            _limited_with_rst(direction, cleared=cleared),
            {own: _AT_MOST_100, **({} if cleared else {"next": further})},
            by_chance=True,
        )
        for direction, own, further in (
            (Direction.DOWNSTREAM, "down", f"down ({_AT_MOST_100}); up all at once"),
            (Direction.UPSTREAM, "up", f"down all at once; up ({_AT_MOST_100})"),
        )
        for cleared in (True, False)
    ),
)


def rules_of(situation: Situation, field: str) -> list[Rule]:
    """Those that say something of a field."""
    return [rule for rule in RULES if field in rule.real and rule.applies(situation)]


def disagreements(situation: Situation, simulated: Saw, real: Saw) -> list[str]:
    """In what the two differ though no rule says so, or do not though one does; in words."""
    found = []
    for field, sim in asdict(simulated).items():
        got = getattr(real, field)
        rules = rules_of(situation, field)
        if not rules and sim != got:
            found.append(f"{field}: simulated {sim!r}, Toxiproxy {got!r}")
        for rule in rules:
            if not re.fullmatch(rule.real[field], got) and not (not sim and not got):
                found.append(f"{field}: Toxiproxy {got!r} is not {rule.real[field]!r}: {rule.why}")
            agrees = bool(re.fullmatch(rule.real[field], sim)) or not sim
            if rule.by_chance and not agrees:
                found.append(f"{field}: simulated {sim!r} is not {rule.real[field]!r}: {rule.why}")
            elif not rule.by_chance and agrees and sim:
                found.append(f"{field}: simulated {sim!r}, and no difference any more: {rule.why}")
    return found
