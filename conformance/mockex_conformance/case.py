"""What a case is written with: the decorator, the registry, and the `Run` that it acts through.

A case only acts. First it names the checks that are to judge the recording; they are values,
written into it, so that it can be judged again without the testee.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from mockex.faults import Fault
from mockex.profile import Profile
from mockex.server.journal import Journal

if TYPE_CHECKING:
    from mockex.server.exchange import Exchange
    from mockex.server.injector import Handle
    from mockex_conformance.checks.base import Check
    from mockex_conformance.harness.times import Times
from mockex_conformance.description import Description
from mockex_conformance.verdict import Level, Severity


class CaseOver(Exception):
    """Base: the body of a case need not go on. Never a finding by itself."""


class NotLive(CaseOver):
    """A must-happen deadline passed: `what` was awaited. Becomes a finding (the testee did not go
    live, or did not recover)."""

    def __init__(self, what: str, within_s: float) -> None:
        self.what = what
        self.within_s = within_s
        super().__init__(f"{what} within {within_s:g} s")


class Unseen(CaseOver):
    """The condition of the case was never met, or its fault not seen: INCONCLUSIVE."""


class Unsupported(CaseOver):
    """The testee cannot run this case: says what to declare, install or change to unlock it."""


class Gone(CaseOver):
    """The testee's process ended by itself: `alive()` finds it."""


class FoundAlready(CaseOver):
    """An always-on check has its first finding: the case ends early (catalogue, 6.5)."""


class Run(Protocol):
    """One running case: one exchange, one testee process, one recording.

    Times: every limit and every duration of a fault written in a case is in unscaled ms and goes
    through `scaled_s`; must-happen deadlines through `deadline_s`; must-not-happen windows through
    `quiet_s` (catalogue, section 3).
    """

    profile: Profile
    exchange: Exchange
    journal: Journal
    testee: Description
    seed: int
    k: int
    mode: str
    scale: float  # of the testee's time
    streams: list[str]  # wanted now, and expected to flow
    notes: list[str]  # shown beside the verdict

    @property
    def stream(self) -> str:
        """The stream of the case's faults: the first wanted one."""
        ...

    def has_link(self, what: str) -> bool:
        """Whether the testee's way leads over a link, so that faults of a link can be injected. If
        not, notes that `what` was not run, and why."""
        ...

    def limit_ms(self, name: str) -> float:
        """A limit of `[limits]`, declared or default, unscaled."""
        ...

    def scaled_s(self, ms: float) -> float:
        """`ms` in seconds times the testee's time scale."""
        ...

    def deadline_s(self, ms: float) -> float:
        """Must-happen: limit x scale x 1.25 x deadline-factor + 1 s."""
        ...

    def quiet_s(self, ms: float) -> float:
        """Must-not-happen window in seconds: ms x scale x quiet-factor."""
        ...

    @property
    def supports(self) -> list[str]:
        """What the testee said in `hello` that it will say."""
        ...

    async def start(
        self,
        *,
        streams: Sequence[str] | None = None,
        mode: str | None = None,
        lifetime_s: float | None = None,
    ) -> None:
        """Start the testee (level 2: send `start` too); `streams` None: the case's. `lifetime_s`:
        the lifetime of connections that one that `renews` is told."""
        ...

    async def until(self, met: Callable[[], bool], within_s: float, what: str) -> None:
        """Wait for what must happen: `met` is asked after each entry of the journal, `what` says
        it in words. As much later as our own loop stood still, or the testee got no processor.
        Raises NotLive."""
        ...

    async def start_others(self, n: int) -> None:
        """Start `n` more processes of the testee, each at a stream port of its own of the same
        exchange; who is awaited from now on is all of them."""
        ...

    async def until_live(self, within_s: float = 15.0) -> None:
        """Every wanted stream has at least K live deliveries on each of which an event was
        written (since the testee was started). Raises NotLive.

        On a market that stands still (`market="frozen"`) no event can be waited for: there K
        deliveries, upgraded and subscribed, are live, and as much is recovered. A case on such a
        market ends with one that moves (`exchange.thaw`), or whoever dies of its first event
        passes it."""
        ...

    async def cause(self, fault: Fault) -> Handle:
        """Inject, return once seen. The faulted connection is the newest live delivery of
        `self.stream` unless the fault says otherwise. Raises Unseen; NotLive for faults that need
        an attempt and get none within the deadline."""
        ...

    async def until_recovered(self, within_ms: float | None = None) -> float:
        """Every wanted stream has at least K live deliveries, on each of which an event was
        written after the last fault was seen. `within_ms` None: `reconnect_first_ms` if the lost
        connection had lasted `stable_ms`, else `reconnect_cap_ms`. Returns the seconds it took;
        raises NotLive (recorded, so that `recovered()` finds it). Notes `recovered`."""
        ...

    def inject(self, fault: Fault) -> Handle:
        """Inject without waiting to see it: for faults that a later one lets happen."""
        ...

    def calm(self, *, but: Collection[int] = ()) -> None:
        """End every fault that lasts or waits for something, except stalls of these connections;
        recovery counts from now."""
        ...

    async def until_seen(self, handle: Handle, within_s: float | None = None) -> None:
        """Wait until a fault is seen; raises as `cause` does."""
        ...

    async def until_ended(self, handle: Handle, within_s: float = 120.0) -> None:
        """Wait until a fault that lasts is over; recovery then counts from its end."""
        ...

    async def until_replaced(self, within_ms: float) -> float:
        """As `until_recovered`, where a recovery is not required but what the case begins with:
        raises Unseen, and is no landmark of a deadline. Notes `replaced`."""
        ...

    async def until_over(self, connections: Collection[int], within_s: float) -> bool:
        """Until none of these connections is live any more, whoever ended it; recovery then counts
        from the last of these ends. False if that is not so in time."""
        ...

    async def until_moved(self, old: Collection[int], within_s: float) -> bool:
        """Until every wanted stream flows on K live connections that are none of `old`. False if
        that is not so in time."""
        ...

    async def until_stable(self) -> None:
        """Let the present connections last `stable_ms`, so that the next loss is a first one."""
        ...

    def recovery_ms(self) -> float:
        """The limit that `until_recovered` would use now."""
        ...

    def needs(self, ms: float, what: str) -> None:
        """Say that the case waits up to `ms` because of the limit `what`. Raises Unsupported if
        that is more than the case limit."""
        ...

    async def until_events(self, n: int, stream: str | None = None) -> None:
        """`n` events of the stream were written on its newest live delivery from now on."""
        ...

    async def until_attempt(self, within_ms: float) -> None:
        """The next attempt to connect, to any port; raises NotLive (recorded, so that
        `recovered()` finds it) if there is none in time."""
        ...

    async def until_attempts(self, n: int, within_ms: float) -> bool:
        """The phase of an outage: `n` attempts of each process from now on; False if `within_ms`
        of the testee's time were over first."""
        ...

    async def until_steps(self, n: int) -> None:
        """`n` steps of the market were flushed from now on."""
        ...

    async def sleep(self, seconds: float) -> None:
        """A must-not-happen window, or the length of a phase; ends early with an always-on
        finding."""
        ...

    async def suspend(self, seconds: float) -> None:
        """SIGSTOP to the testee's process group, read back from the process, and SIGCONT after so
        many seconds, which are not scaled: it is the exchange that does not wait. Recovery then
        counts from there. Notes `suspended` and `going-on`. Raises Unseen: it does not stop."""
        ...

    def judged_by(self, *checks: Check) -> list[Check]:
        """Name the checks of the case, first of all: they are judged also if the body ends early,
        and at-most checks all the time, which ends the case with their first finding."""
        ...

    def note(self, name: str, **detail: Any) -> None:
        """Set a landmark in the recording, for checks to refer to."""
        ...

    async def request(self, method: str, within_s: float = 5.0, **params: Any) -> Any:
        """Level 2: send a request, wait for its answer. Raises NotLive if none comes."""
        ...

    async def terminate(self, within_ms: float) -> int | None:
        """SIGTERM to the process group; the exit code, or None if it is still there after the
        deadline (it is then killed). Journals Signalled and Exited."""
        ...

    async def stop(self) -> None:
        """End the testee the polite way (adapter-protocol 3.5), so that `start` can be called
        again."""
        ...


Link = Literal["", "wanted", "needed"]
CaseBody = Callable[[Run], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Case:
    """A case of the catalogue. `id` is the path of its file below `cases/`."""

    id: str
    number: str
    severity: Severity
    level: Level
    body: CaseBody
    requirement: str
    alone: bool = False
    profiles: tuple[str, ...] = ("spot", "usdm")
    starts: bool = True  # the harness starts the testee and waits until it is live
    ends_dead: bool = False  # ends in a shutdown: nothing needs to be live at the end
    # Below it the market's own 100 ms would hide what is looked for; or nothing here waits for the
    # testee's timers, and short ones only make much of a machine that is slow.
    least_scale: float = 0.0
    settings: Callable[[Times], dict[str, object]] | None = None  # of the profile
    market: str = "steady"
    step_ms: int = 100  # of the market: shorter steps make a burst on the streams in real time
    takes_s: int = 10  # about, on a testee that scales time: the longest are started first
    real_only: str = ""  # what it looks at that only a machine has
    link: Link = ""  # between testee and exchange: none, one where it can be had, or not without
    least_bytes_per_s: int = 0  # that it needs a line to pass


REGISTRY: dict[str, Case] = {}


def case(
    id: str,  # noqa: A002 - the catalogue calls it that
    number: str,
    *,
    severity: Severity = Severity.MUST,
    level: Level = Level.L0,
    alone: bool = False,
    profiles: tuple[str, ...] = ("spot", "usdm"),
    starts: bool = True,
    ends_dead: bool = False,
    least_scale: float = 0.0,
    settings: Callable[[Times], dict[str, object]] | None = None,
    market: str = "steady",
    step_ms: int = 100,
    takes_s: int = 10,
    real_only: str = "",
    link: Link = "",
    least_bytes_per_s: int = 0,
) -> Callable[[CaseBody], CaseBody]:
    """Register the decorated function as the case `id`, `number` in the catalogue."""

    def register(body: CaseBody) -> CaseBody:
        doc = (body.__doc__ or "").strip()
        REGISTRY[id] = Case(
            id=id,
            number=number,
            severity=severity,
            level=level,
            body=body,
            requirement=" ".join(doc.split("\n\n")[0].split()),
            alone=alone,
            profiles=profiles,
            starts=starts,
            ends_dead=ends_dead,
            least_scale=least_scale,
            settings=settings,
            market=market,
            step_ms=step_ms,
            takes_s=takes_s,
            real_only=real_only,
            link=link,
            least_bytes_per_s=least_bytes_per_s,
        )
        return body

    return register


def all_cases() -> dict[str, Case]:
    """Every case there is, by id, in the order of the catalogue."""
    from mockex_conformance import cases

    for module in pkgutil.walk_packages(cases.__path__, cases.__name__ + "."):
        importlib.import_module(module.name)
    return dict(sorted(REGISTRY.items(), key=lambda item: place(item[1].number)))


_GROUPS = (
    "CONN",
    "SUB",
    "RECON",
    "HB",
    "ROLL",
    "DATA",
    "FUZZ",
    "RES",
    "SLOW",
    "CLOSE",
    "CTRL",
    "SEC",
)


def group_of(number: str) -> str:
    """`CONN` of `CONN-03`."""
    return number.partition("-")[0]


def place(number: str) -> tuple[int, int]:
    """Where a number stands in the catalogue."""
    group, _, index = number.partition("-")
    known = _GROUPS.index(group) if group in _GROUPS else len(_GROUPS)
    return known, int(index) if index.isdigit() else 0
