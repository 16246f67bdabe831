"""The parent of a run on the virtual ground, interrupted at moments that are hard to meet."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from mockex_conformance.case import Case, Run
from mockex_conformance.description import Description
from mockex_conformance.harness import batches
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.scheduler import Event
from mockex_conformance.verdict import Level, Severity

pytestmark = pytest.mark.timeout(40)


def plan(folder: Path, level: Level) -> Plan:
    async def body(run: Run) -> None:
        raise AssertionError("it is interrupted before")

    case = Case(
        id="test/case",
        number="CONN-01",
        severity=Severity.MUST,
        level=level,
        body=body,
        requirement="It does what the test says.",
    )
    testee = Description(
        name="client", command=["false"], entry="client:main", cwd=folder, level=Level.L0
    )
    return Plan(
        testees=[testee],
        cases=[case],
        out=folder / "out",
        profiles=["usdm"],
        ground=Ground.VIRTUAL,
        jobs=1,
    )


def test_an_interrupt_while_a_verdict_is_told_waits_until_it_was(tmp_path: Path) -> None:
    told: list[Event] = []

    def tell(event: Event) -> None:
        signal.raise_signal(signal.SIGINT)
        told.append(event)

    batches.run(plan(tmp_path, Level.L2), tell)  # of a level that the testee has not
    assert len(told) == 1, "and nothing is left that could be interrupted"


def test_a_batch_that_is_interrupted_before_it_has_begun_is_ended_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork = os.fork

    def slow() -> int:
        pid = fork()
        if pid == 0:
            time.sleep(60)  # a busy machine
        else:
            signal.raise_signal(signal.SIGINT)
        return pid

    monkeypatch.setattr(os, "fork", slow)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        batches.run(plan(tmp_path, Level.L0), lambda _: None)
    assert time.monotonic() - began < 20
