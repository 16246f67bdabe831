"""Several processes of one testee in one case, in virtual time: the reference adapter."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import mockex
from mockex import sim
from mockex.faults import Outage
from mockex.server.journal import Attempted, Exited, Launched, Noted
from mockex_conformance.case import Gone, NotLive
from mockex_conformance.description import Description
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.run import CaseRun
from mockex_conformance.harness.times import Conditions

STREAM = "ethusdc@depth5@100ms"


def with_the_adapter(tmp_path: Path, body: Callable[[CaseRun], Awaitable[None]]) -> None:
    async def main() -> None:
        async with mockex.serve("spot", seed=1, market="steady") as exchange:
            testee = Description(
                name="reference", command=["true"], entry="mockex_adapter.testee:main", level=2
            )
            run = CaseRun(
                exchange, testee, Conditions(ground=Ground.VIRTUAL), streams=[STREAM],
                mode="combined", stderr=tmp_path / "stderr.txt", start_lock=tmp_path / "lock",
            )  # fmt: skip
            await run.start()
            try:
                await body(run)
            finally:
                await run.stop()

    sim.run(main(), seed=1, leaks=lambda _: None)


def ports(run: CaseRun) -> Counter[int]:
    return Counter(c.port for c in run.exchange.connections.live())


def test_each_process_has_a_port_and_all_of_them_are_awaited(tmp_path: Path) -> None:
    async def body(run: CaseRun) -> None:
        await run.until_live()
        await run.start_others(2)
        await run.until_live()
        assert sorted(ports(run).values()) == [1, 1, 1]
        assert 0 in ports(run)
        assert [entry.run for entry in run.journal.of(Launched)] == [1, 2, 3]
        awaited = [e.detail["ports"] for e in run.journal.of(Noted) if e.name == "awaiting-live"]
        assert awaited == [[0], [0, *sorted(ports(run))[1:]]]

    with_the_adapter(tmp_path, body)


def test_one_of_them_that_does_not_come_back_is_missed(tmp_path: Path) -> None:
    async def body(run: CaseRun) -> None:
        await run.start_others(2)
        await run.until_live()
        await run.exchange.listeners[-1].refuse()
        run.inject(Outage(how="abort", attempts=1))
        run.calm()
        with pytest.raises(NotLive):
            await run.until_recovered(5_000)
        assert len(ports(run)) == 2

    with_the_adapter(tmp_path, body)


def test_attempts_of_an_outage_are_awaited_of_each_process(tmp_path: Path) -> None:
    async def body(run: CaseRun) -> None:
        await run.start_others(2)
        await run.until_live()
        run.inject(Outage(how="abort", ms=60_000))
        since = len(run.journal.entries)
        assert await run.until_attempts(3, 30_000)
        late = run.journal.entries[since:]
        made = Counter(entry.port for entry in late if isinstance(entry, Attempted))
        assert min(made.values()) == 3
        assert len(made) == 3

    with_the_adapter(tmp_path, body)


def test_attempts_that_are_not_made_end_the_phase_in_the_time_of_the_testee(
    tmp_path: Path,
) -> None:
    async def body(run: CaseRun) -> None:
        await run.until_live()
        began = run.exchange.loop_time()
        assert not await run.until_attempts(1, 3_000)
        assert run.exchange.loop_time() - began == pytest.approx(3.0)

    with_the_adapter(tmp_path, body)


def test_all_of_them_end_with_the_case_and_one_that_ends_by_itself_ends_it(
    tmp_path: Path,
) -> None:
    async def body(run: CaseRun) -> None:
        await run.start_others(2)
        await run.until_live()
        run._charges[1]._process.signal(9)
        with pytest.raises(Gone):
            await run.sleep(10.0)
        await run.stop()
        await asyncio.sleep(0.1)
        ends = {entry.run: entry.expected for entry in run.journal.of(Exited)}
        assert ends == {1: True, 2: False, 3: True}

    with_the_adapter(tmp_path, body)
