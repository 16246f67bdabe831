"""The parent of a run: what is run once more, by itself, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mockex.server.journal import Behind, Lagged
from mockex_conformance.case import NotLive, Run, Unseen
from mockex_conformance.harness import scheduler
from mockex_conformance.harness.probe import PROBE
from mockex_conformance.harness.scheduler import Again, Started
from mockex_conformance.rejudging import read_recording
from mockex_conformance.verdict import CaseVerdict, Verdict
from tests.conformance.harness.planned import case, judged, nothing, plan

pytestmark = pytest.mark.timeout(60)


def stand_still(run: Run, seconds: float) -> None:
    """Our own loop does not run, as on a machine where others do."""
    run.journal.append(Lagged(t=run.exchange.loop_time() - seconds, late_s=seconds))


def fall_behind(run: Run, seconds: float) -> None:
    """It runs, and does not keep up."""
    due = run.exchange.loop_time() - seconds
    run.journal.append(Behind(t=due, late_s=seconds, exchange_s=seconds))


@pytest.mark.parametrize(
    ("second", "starve"),
    [(Verdict.PASS, stand_still), (Verdict.PASS, fall_behind), (Verdict.INCONCLUSIVE, stand_still)],
)
def test_what_could_not_be_judged_while_we_stood_still_is_run_once_more_by_itself(
    tmp_path: Path, second: Verdict, starve: Callable[[Run, float], None]
) -> None:
    order = tmp_path / "order"
    order.touch()

    async def starved(run: Run) -> None:
        with order.open("a") as file:
            file.write("starved ")
        starve(run, 5.0)
        if second is Verdict.INCONCLUSIVE or order.read_text().count("starved") == 1:
            raise Unseen("the fault was not seen")

    async def waits(run: Run) -> None:
        starveds = tmp_path / "out" / "journal" / "client-usdm-CONN-01.jsonl"
        await run.until(
            lambda: starveds.exists() and '"name":"outcome"' in starveds.read_text(), 9, "the other"
        )
        with order.open("a") as file:
            file.write("other ")

    what = plan(tmp_path, case(starved), case(waits, 2))
    verdicts, events = judged(what)
    by_number = {verdict.number: verdict for verdict in verdicts}
    assert by_number["CONN-01"].verdict is second
    assert by_number["CONN-01"].notes == [
        "judged the second time: at the first the machine was too busy"
    ]
    assert by_number["CONN-02"].verdict is Verdict.PASS
    assert order.read_text() == "starved other starved "
    assert [event for event in events if isinstance(event, Again)] == [
        Again("client", "test/case-1", "usdm")
    ]
    recording = read_recording(what.out / by_number["CONN-01"].journal)
    assert recording.outcome["notes"] == by_number["CONN-01"].notes


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(4.0, Verdict.INCONCLUSIVE), (9.0, Verdict.FAIL), (9.0, Verdict.PASS)]
)
def test_and_nothing_else_is_run_again(tmp_path: Path, seconds: float, verdict: Verdict) -> None:
    async def body(run: Run) -> None:
        stand_still(run, seconds)
        if verdict is Verdict.INCONCLUSIVE:
            raise Unseen("the fault was not seen")
        if verdict is Verdict.FAIL:
            raise NotLive("an answer", 1.0)

    ((judged_so,), events) = judged(plan(tmp_path, case(body)))
    assert judged_so.verdict is verdict
    assert not any(isinstance(event, Again) for event in events)
    assert (tmp_path / "starts").read_text() == "xx"  # the probe's, and this one


def test_a_probe_that_could_not_be_judged_is_run_again_before_the_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def starved(run: Run) -> None:
        await run.until_live()
        stand_still(run, 5.0)
        if (tmp_path / "starts").read_text() == "x":
            raise Unseen("the fault was not seen")

    monkeypatch.setattr(scheduler, "PROBE", replace(PROBE, body=starved))
    ((verdict,), events) = judged(plan(tmp_path, case(nothing)))
    assert verdict.verdict is Verdict.PASS
    assert [type(event) for event in events] == [Again, Started, CaseVerdict]
