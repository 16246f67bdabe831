"""How a running case waits, in virtual time: lags are made by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import mockex
from mockex import sim
from mockex.faults import HangUpgrade, LifetimeCut, Reset, ServerShutdown
from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Closed,
    Lagged,
    Launched,
    Noted,
    Sampled,
    Signalled,
    Subscribed,
    Upgraded,
)
from mockex_conformance.case import NotLive, Unseen
from mockex_conformance.description import Description
from mockex_conformance.harness.charge import Charge
from mockex_conformance.harness.run import CaseRun
from mockex_conformance.harness.times import Conditions

HERE = Path()
OTHER = "ethusdc@aggTrade"


def in_a_case(body: Callable[[CaseRun], Awaitable[None]]) -> None:
    async def main() -> None:
        async with mockex.serve("spot", seed=1, market="frozen") as exchange:
            testee = Description(name="nobody", command=["true"])
            run = CaseRun(
                exchange, testee, Conditions(), streams=["ethusdc@trade"], mode="combined",
                stderr=HERE, start_lock=HERE,
            )  # fmt: skip
            await body(run)

    sim.run(main(), seed=1)


def lag(run: CaseRun, after_s: float, late_s: float) -> None:
    """The loop stands still for so long, and says so."""

    def said() -> None:
        run.journal.append(Lagged(t=run.exchange.loop_time() - late_s, late_s=late_s))

    asyncio.get_running_loop().call_later(after_s, said)


def sampled(run: CaseRun, after_s: float, queued_s: float) -> None:
    """The testee is looked at, and has waited so long for a processor so far."""

    def said() -> None:
        t = run.exchange.loop_time()
        run.journal.append(Sampled(t=t, run=1, processes=1, sockets={}, queued_s=queued_s))

    asyncio.get_running_loop().call_later(after_s, said)


def connected(run: CaseRun, after_s: float, conn: int, stream: str) -> None:
    """The journal tells of a connection that delivers a stream."""

    def said() -> None:
        t = run.exchange.loop_time()
        entries: list[AnyEntry] = [
            Attempted(t=t, conn=conn, peer_port=conn),
            Upgraded(t=t, conn=conn, target="/", route="", mode="combined"),
            Subscribed(t=t, conn=conn, streams=[stream], via="url"),
        ]
        for entry in entries:
            run.journal.append(entry)

    asyncio.get_running_loop().call_later(after_s, said)


async def _gives_up_after(run: CaseRun, within_s: float) -> float:
    began = run.exchange.loop_time()
    with pytest.raises(NotLive):
        await run.until_live(within_s)
    return run.exchange.loop_time() - began


def test_what_must_happen_is_waited_for_as_long_as_was_said() -> None:
    async def body(run: CaseRun) -> None:
        assert await _gives_up_after(run, 5.0) == pytest.approx(5.5, abs=0.1)

    in_a_case(body)


def test_and_for_all_the_time_that_our_own_loop_stood_still_meanwhile() -> None:
    async def body(run: CaseRun) -> None:
        lag(run, 0.0, 9.0)
        await asyncio.sleep(1.0)  # before the wait began: it does not count
        for after_s in (1.0, 2.0, 5.0):
            lag(run, after_s, 1.0)
        assert await _gives_up_after(run, 5.0) == pytest.approx(8.5, abs=0.1)

    in_a_case(body)


def test_and_for_all_the_time_that_the_testee_got_no_processor_meanwhile() -> None:
    async def body(run: CaseRun) -> None:
        began = run.exchange.loop_time()
        run.journal.append(
            Launched(t=began, run=1, pid=1, command=["x"], streams=[], mode="combined")
        )
        for after_s, queued_s in ((0.5, 0.5), (2.0, 1.5), (3.0, 2.0), (7.0, 2.25)):
            sampled(run, after_s, queued_s)
        await asyncio.sleep(1.0)  # what it waited for before does not count
        assert await _gives_up_after(run, 5.0) == pytest.approx(7.25, abs=0.1)

    in_a_case(body)


class Ending:
    """A process that ends so long after its SIGTERM."""

    def __init__(self, after_s: float) -> None:
        self.code: int | None = None
        self._after_s = after_s

    def signal(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        self._end = loop.call_later(self._after_s, setattr, self, "code", 0)

    async def wait(self, within_s: float) -> int | None:
        await asyncio.sleep(within_s)
        return self.code

    async def wait_for_rest(self, within_s: float) -> list[str]:
        return []

    def leaked(self) -> list[str]:
        return []

    def last_words(self) -> str:
        return ""

    async def kill(self) -> None:
        self._end.cancel()

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("queued_s", "code"), [(0.0, None), (0.3, None), (1.0, 0)])
def test_an_end_is_waited_for_by_so_much_longer_as_it_got_no_processor(
    queued_s: float, code: int | None
) -> None:
    async def body(run: CaseRun) -> None:
        nobody = Description(name="nobody", command=["true"])
        due = run._waiting.due
        charge = Charge(1, nobody, run.journal, until=run.until, due=due, wake=lambda: None)
        charge._process, charge.over = Ending(2.5), False  # type: ignore[assignment]
        sampled(run, 0.0, 0.0)
        await asyncio.sleep(0.1)
        sampled(run, 1.5, queued_s)
        assert await charge.terminate(2.0) == code
        signals = [entry.signal for entry in run.journal.of(Signalled)]
        assert signals == ["SIGTERM"] + ["SIGKILL"] * (code is None)

    in_a_case(body)


def test_a_lag_that_is_told_only_when_the_deadline_is_over_counts() -> None:
    async def body(run: CaseRun) -> None:
        lag(run, 5.505, 2.0)
        assert await _gives_up_after(run, 5.0) == pytest.approx(7.5, abs=0.1)

    in_a_case(body)


def test_what_must_not_happen_is_never_waited_for_any_longer() -> None:
    async def body(run: CaseRun) -> None:
        began = run.exchange.loop_time()
        lag(run, 1.0, 5.0)
        await run.sleep(3.0)
        assert run.exchange.loop_time() - began == pytest.approx(3.0, abs=0.01)

    in_a_case(body)


def test_a_connection_that_nobody_replaces_leaves_the_case_without_its_condition() -> None:
    async def body(run: CaseRun) -> None:
        began = run.exchange.loop_time()
        with pytest.raises(Unseen, match="did not replace the connection"):
            await run.until_replaced(8_000)
        assert run.exchange.loop_time() - began == pytest.approx(11.0, abs=0.1)

    in_a_case(body)


def test_a_first_loss_is_told_by_the_age_of_the_connection_that_is_lost() -> None:
    async def body(run: CaseRun) -> None:
        connected(run, 0.0, 1, run.stream)
        connected(run, 60.0, 2, OTHER)
        await asyncio.sleep(60.5)
        for lost, limit in (
            (Reset(), "reconnect_first_ms"),
            (Reset(stream=OTHER), "reconnect_cap_ms"),
            (Reset(connection=1), "reconnect_first_ms"),
            (Reset(connection=2), "reconnect_cap_ms"),
            (Reset(connection=3), "reconnect_cap_ms"),
        ):
            with pytest.raises(Unseen):  # these connections are in the journal only
                run.inject(lost)
            assert run.recovery_ms() == run.limit_ms(limit), lost

    in_a_case(body)


def test_on_a_market_that_stands_still_a_delivery_without_events_is_live() -> None:
    async def body(run: CaseRun) -> None:
        began = run.exchange.loop_time()
        connected(run, 2.0, 1, run.stream)
        await run.until_live(5.0)
        assert run.exchange.loop_time() - began == pytest.approx(2.0, abs=0.1)
        await run.until_recovered(1_000)
        landmarks = [e for e in run.journal.of(Noted) if e.name.startswith("awaiting")]
        assert [e.detail["eventless"] for e in landmarks] == [True, True]
        run.exchange.thaw()
        with pytest.raises(NotLive):  # from now on events are to come, and do not
            await run.until_recovered(1_000)
        assert "eventless" not in list(run.journal.of(Noted))[-1].detail

    in_a_case(body)


def closed(run: CaseRun, after_s: float, conn: int) -> None:
    """The journal tells of a close by the exchange."""

    def said() -> None:
        t = run.exchange.loop_time()
        run.journal.append(Closed(t=t, conn=conn, by="server", code=1001))

    asyncio.get_running_loop().call_later(after_s, said)


def test_connections_are_over_when_the_last_has_ended_and_recovery_counts_from_there() -> None:
    async def body(run: CaseRun) -> None:
        for conn, age_s in ((1, 30.0), (2, 20.0), (3, 0.5)):
            connected(run, 0.0, conn, run.stream)
            closed(run, age_s, conn)
        await asyncio.sleep(0.1)
        began = run.exchange.loop_time()
        assert await run.until_over([1, 2], 10.0) is False
        assert await run.until_over([1, 2], 60.0) is True
        assert run.exchange.loop_time() - began == pytest.approx(29.9, abs=0.1)
        assert run.recovery_ms() == run.limit_ms("reconnect_first_ms")
        with pytest.raises(NotLive):
            await run.until_recovered(1_000)
        over, awaited = run.journal.of(Noted)
        assert (over.name, over.detail["connections"]) == ("over", [1, 2])
        assert awaited.detail["since"] == pytest.approx(began + 29.9, abs=0.1)

        assert await run.until_over([1, 3], 1.0) is True
        assert run.recovery_ms() == run.limit_ms("reconnect_cap_ms"), "c3 had not lasted"

    in_a_case(body)


def test_streams_have_moved_when_others_than_the_old_ones_deliver_them() -> None:
    async def body(run: CaseRun) -> None:
        connected(run, 0.0, 1, run.stream)
        connected(run, 5.0, 2, run.stream)
        await asyncio.sleep(1.0)
        assert await run.until_moved([1], 1.0) is False
        assert await run.until_moved([1], 5.0) is True
        assert await run.until_moved([1, 2], 1.0) is False

    in_a_case(body)


def test_all_durations_of_a_fault_are_the_time_of_the_testee() -> None:
    async def body(run: CaseRun) -> None:
        run.scale = 0.1
        for written, done in (
            (ServerShutdown(lead_ms=5_000), ServerShutdown(lead_ms=500)),
            (ServerShutdown(lead_ms=50, reset_ms=500), ServerShutdown(lead_ms=5, reset_ms=50)),
            (LifetimeCut(reset_ms=500), LifetimeCut(reset_ms=50)),
            (LifetimeCut(bare=True), LifetimeCut(bare=True)),
            (HangUpgrade(reset_ms=1_000), HangUpgrade(reset_ms=100)),
        ):
            assert run.scaled(written) == done

    in_a_case(body)
