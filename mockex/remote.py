"""An exchange that runs elsewhere, as a test uses one of its own.

It is what `mockex serve` has started, called over its admin API. What can be had over that has the
names of `Exchange`; the rest is refused by name. Calls that answer at once are plain calls, as they
are there; waiting is done in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, Self, TypeVar

import msgspec

from mockex.admin_client import AdminClient
from mockex.errors import AdminError, FaultError, FaultUnseen
from mockex.faults.catalogue import fields_of
from mockex.faults.model import Fault
from mockex.faults.trigger import AfterEvents, Every
from mockex.profile import Profile, profile_named
from mockex.server.journal import AnyEntry, Entry, Faulted

_PAGE = 5_000  # entries in one answer
_POLL_S = 0.5  # a call that nobody waits for any more is over so soon
_CONFLICT = 409
_RESET_S = 60.0
E = TypeVar("E", bound=Entry)


class RemoteExchange:
    """The exchange whose admin API is at `url`. `setting` is how whoever gave the address calls it.

    Raises:
        ConfigError: no exchange is there.
    """

    def __init__(self, url: str, setting: str = "url") -> None:
        self.url = url
        self._admin = AdminClient(url, setting)
        try:
            facts = self._admin.call("GET", "/exchange")
        except BaseException:
            self._admin.close()
            raise
        self.ws_url: str = facts["ws"]
        self.rest_url: str = facts["rest"]
        self.seed: int = facts["seed"]
        self.profile_name: str = facts["profile"]
        self.dated: str = facts["dated"]
        self.journal = RemoteJournal(self._admin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._admin.close()

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"an exchange that runs elsewhere has no {name!r}: only ws_url, rest_url, seed,"
            " profile, journal, inject, calm, live and reset"
        )

    @property
    def profile(self) -> Profile:
        """Its profile, as it is installed here; settings that were changed there are not known.

        Raises:
            ConfigError: it is a file of its own there.
        """
        return profile_named(self.dated)

    def inject(self, fault: Fault) -> RemoteHandle:
        """Do `fault`, now or when its trigger says so; `await handle.seen()` for the evidence.

        Raises:
            FaultError: nothing is there for it to hit, or no link.
        """
        body = {"fault": type(fault).__name__, **fields_of(fault)}
        match fault.when:
            case AfterEvents(n=n):
                body["when"] = {"after": n}
            case Every(seconds=seconds, times=times):
                body["when"] = {"every": f"{seconds:.9f}s", "times": times}
            case _:
                pass
        try:
            told = self._admin.call("POST", "/faults", json=body)
        except AdminError as error:
            if error.status != _CONFLICT:
                raise
            raise FaultError(str(error)) from None
        return RemoteHandle(self, told["id"], fault)

    def calm(self) -> None:
        """End every fault that lasts or waits, and every script."""
        self._admin.call("DELETE", "/faults")

    def live(self, stream: str) -> int:
        """How many live connections deliver `stream` now."""
        told = self._admin.call("GET", f"/streams/{stream}")
        deliveries: int = told["deliveries"]
        return deliveries

    def reset(self) -> None:
        """Make it as if new: no connection, no fault, nothing used up, a journal that begins here.
        The market and the clock go on.

        Raises:
            AdminError: it cannot be: clients come back all the time.
        """
        told = self._admin.call("POST", "/reset", wait_s=_RESET_S)
        self.journal.begin(told["cut"])


class RemoteHandle:
    """One fault that was injected there."""

    def __init__(self, exchange: RemoteExchange, number: int, fault: Fault) -> None:
        self._exchange = exchange
        self.id = number
        self.fault = fault

    def _steps(self) -> list[Faulted]:
        """What the journal says of it, at one moment: asked twice, it may say more."""
        return [e for e in self._exchange.journal.of(Faulted) if e.fault == self.id]

    @property
    def times_seen(self) -> int:
        """How often it has been seen to happen."""
        return sum(step.phase == "seen" for step in self._steps())

    async def seen(self, times: int = 1, *, within_s: float | None = None) -> Faulted:
        """Wait until the journal shows that it happened `times` times; the entry that says so.

        Raises:
            FaultUnseen: it did not within `within_s`, or cannot any more.
        """
        try:
            async with asyncio.timeout(within_s):
                while True:
                    steps = self._steps()
                    found = [step for step in steps if step.phase == "seen"]
                    if len(found) >= times:
                        return found[times - 1]
                    ended = [step for step in steps if step.phase == "ended"]
                    if ended and not isinstance(self.fault.when, Every):
                        why = ended[-1].detail or "it was ended before that"
                        raise FaultUnseen(repr(self.fault), within_s or 0, why)
                    await self._exchange.journal.news()
        except TimeoutError:
            raise FaultUnseen(repr(self.fault), within_s or 0) from None

    async def ended(self) -> None:
        """Wait until a fault that lasts is over."""
        while not any(step.phase == "ended" for step in self._steps()):
            await self._exchange.journal.news()


class RemoteJournal:
    """The journal of an exchange that runs elsewhere, since its last reset."""

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin
        self._entries: list[AnyEntry] = []
        self._next: int | None = None  # None: where the last reset was
        self._kept = False

    @property
    def entries(self) -> list[AnyEntry]:
        """All entries so far: asks for those that are new. The list grows; it is always the same
        one until the next reset."""
        while not self._kept and self._take(self._ask(0.0)):
            pass
        return self._entries

    def of(self, kind: type[E]) -> Iterator[E]:
        """The entries of one kind, in order."""
        return (entry for entry in self.entries if isinstance(entry, kind))

    async def news(self) -> None:
        """Wait until there is an entry that was not there before, or for a moment."""
        self._take(await asyncio.to_thread(self._ask, _POLL_S))

    async def wait(self, condition: Callable[[AnyEntry], bool], *, since: int = 0) -> AnyEntry:
        """The first entry from index `since` on that meets the condition, waiting for it if it
        has not come yet. Bound it with `asyncio.timeout`."""
        looked_at = since
        while True:
            entries = self.entries
            for entry in entries[looked_at:]:
                if condition(entry):
                    return entry
            looked_at = max(looked_at, len(entries))
            await self.news()

    def begin(self, cut: int) -> None:
        """Forget all; go on with the entry `cut` of the exchange."""
        self._entries, self._next, self._kept = [], cut, False

    def keep(self) -> None:
        """Read on to the present, and not beyond it: what comes is no business of this test."""
        _ = self.entries
        self._kept = True

    def _ask(self, within_s: float) -> dict[str, Any]:
        asked: dict[str, Any] = {"limit": _PAGE, "within_s": within_s}
        if self._next is not None:
            asked["after"] = self._next
        told: dict[str, Any] = self._admin.call("GET", "/journal", params=asked, wait_s=within_s)
        told["from"] = self._next
        return told

    def _take(self, told: dict[str, Any]) -> bool:
        """Add what came; whether there is more at once."""
        if told["from"] == self._next:  # nobody else has asked meanwhile
            self._entries += msgspec.convert(told["entries"], list[AnyEntry])
            self._next = told["next"]
        return bool(told["next"] < told["end"])
