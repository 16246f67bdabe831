"""The parent of a run: what workers do to it, and what it does to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from mockex_conformance.case import Run
from mockex_conformance.description import Description
from mockex_conformance.harness import run as run_module
from mockex_conformance.harness import scheduler, times
from mockex_conformance.harness.interrupts import AtOnce
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.room import WINDOW_S, Room
from mockex_conformance.harness.scheduler import Event, Started, Stopping, run
from mockex_conformance.recording import read_entries
from mockex_conformance.rejudging import read_recording
from mockex_conformance.verdict import CaseVerdict, Verdict
from tests.conformance.harness.planned import case, judged, nothing, plan, running, three_steps

pytestmark = pytest.mark.timeout(60)


def test_a_verdict_has_what_replays_it_and_where_it_is_recorded(tmp_path: Path) -> None:
    what = plan(tmp_path, case(three_steps), seed=11)
    ((verdict,), events) = judged(what)
    assert verdict.verdict is Verdict.PASS, verdict
    assert events[0] == Started("client", "test/case-1", "usdm")
    assert verdict.replay.startswith("mockex conform --case CONN-01 --profile usdm --seed 11 -- ")
    assert read_recording(what.out / verdict.journal).terms.seed == 11
    assert (what.out / verdict.stderr).exists()
    assert sorted(p.name for p in (what.out / "stderr").iterdir()) == [
        "client-usdm-CONN-01.txt",
        "client-usdm-PROBE.txt",
    ]


def test_the_longest_cases_begin_first_and_others_in_the_order_of_the_catalogue(
    tmp_path: Path,
) -> None:
    takes = {1: 10, 2: 40, 3: 10, 4: 20}
    cases = [replace(case(nothing, number), takes_s=s) for number, s in takes.items()]
    _, events = judged(plan(tmp_path, *cases, jobs=1))
    begun = [event.case for event in events if isinstance(event, Started)]
    assert begun == [f"test/case-{number}" for number in (2, 4, 1, 3)]


def test_one_that_never_goes_live_fails_everything_after_one_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module.CaseRun.until_live, "__defaults__", (0.5,))
    idle = 'import time\nopen("starts", "a").write("x")\ntime.sleep(60)\n'
    what = plan(tmp_path, case(nothing), case(nothing, 2), script=idle)
    verdicts, events = judged(what)
    assert [v.verdict for v in verdicts] == [Verdict.FAIL] * 2
    assert all(v.findings[0].message.startswith("never went live: no events") for v in verdicts)
    assert (tmp_path / "starts").read_text() == "x"
    assert not [event for event in events if isinstance(event, Started)]


def test_a_worker_that_crashes_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    async def crash(run: Run) -> None:
        os.write(2, b"the last thing that I say\n")
        os.kill(os.getpid(), signal.SIGKILL)

    what = plan(tmp_path, case(crash), case(three_steps, 2))
    verdicts, _ = judged(what)
    by_number = {v.number: v for v in verdicts}
    assert by_number["CONN-02"].verdict is Verdict.PASS
    crashed = by_number["CONN-01"]
    assert crashed.verdict is Verdict.ERROR
    assert "the worker ended with -9 and no verdict" in crashed.reason
    assert "the last thing that I say" in crashed.reason
    assert read_entries(what.out / crashed.journal), "what was recorded before is readable"


def test_an_error_of_ours_is_recorded_with_its_place(tmp_path: Path) -> None:
    async def broken(run: Run) -> None:
        raise LookupError("no such thing")

    what = plan(tmp_path, case(broken))
    ((verdict,), _) = judged(what)
    assert verdict.verdict is Verdict.ERROR
    assert verdict.reason == "mockex: LookupError: no such thing"
    recording = read_recording(what.out / verdict.journal)
    assert "in broken" in recording.noted("traceback")[0].detail["text"]
    assert recording.outcome["ended"] == "error"


def test_a_case_that_takes_too_long_is_ended_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(times, "OVERTIME_S", 1.0)

    async def endless(run: Run) -> None:
        while True:
            await run.sleep(0.1)

    what = plan(tmp_path, case(endless), case_limit_s=1.0)
    ((verdict,), _) = judged(what)
    assert verdict.verdict is Verdict.ERROR
    assert verdict.reason == "the case took longer than 2 s; raise `--case-limit`"
    assert read_recording(what.out / verdict.journal).outcome["ended"] == "error"


def test_a_worker_that_hangs_is_killed_and_its_testee_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "_GRACE_S", 2.0)

    async def hang(run: Run) -> None:
        signal.pause()

    what = plan(tmp_path, case(hang), case_limit_s=1.0)
    ((verdict,), _) = judged(what)
    assert verdict.verdict is Verdict.ERROR
    assert "the case took longer than 3 s" in verdict.reason


@pytest.mark.parametrize("jump_s", [86400, -86400])
def test_a_wall_clock_that_is_set_meanwhile_ends_no_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: int
) -> None:
    right, on = time.time_ns, tmp_path / "on"
    monkeypatch.setattr(time, "time_ns", lambda: right() + on.exists() * jump_s * 10**9)

    async def lasts(run: Run) -> None:
        on.touch()
        await run.sleep(1)

    ((verdict,), _) = judged(plan(tmp_path, case(lasts)))
    assert verdict.verdict is Verdict.PASS, verdict.reason


def test_waiting_cases_run_side_by_side_and_one_that_measures_alone(tmp_path: Path) -> None:
    def here() -> int:
        return len(list(tmp_path.glob("running-*")))

    async def together(run: Run) -> None:
        """Passes only if the other one runs at the same time."""
        (tmp_path / f"running-{os.getpid()}").touch()
        while here() < 2:
            await run.sleep(0.01)

    async def by_itself(run: Run) -> None:
        (tmp_path / "alone").touch()
        await run.sleep(0.2)

    async def late(run: Run) -> None:
        assert not (tmp_path / "alone").exists()
        await run.sleep(0.5)
        assert not (tmp_path / "alone").exists()

    what = plan(
        tmp_path, case(by_itself, alone=True), case(together, 2), case(together, 3), case(late, 4)
    )
    verdicts, _ = judged(what)
    assert [v.verdict for v in verdicts] == [Verdict.PASS] * 4, verdicts
    assert verdicts[-1].number == "CONN-01"


@pytest.mark.parametrize("busy", [False, True])
def test_of_those_that_measure_two_different_ones_share_a_machine_that_is_not_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    monkeypatch.setattr(scheduler, "WINDOW_S", 0.2)
    monkeypatch.setattr(Room, "busy", lambda *_: float(busy))
    monkeypatch.setattr(os, "cpu_count", lambda: 1)

    def two_came() -> bool:
        return len(list(tmp_path.glob("began-*"))) > 1

    async def measures(run: Run) -> None:
        (tmp_path / f"began-{os.getpid()}").touch()
        if busy:
            await run.sleep(0.7)  # another would come now
        while not busy and not two_came():
            await run.sleep(0.01)

    one, other = case(measures, alone=True), case(measures, 2, alone=True)
    verdicts, events = judged(plan(tmp_path, one, other, repeat=2))
    assert [v.verdict for v in verdicts] == [Verdict.PASS] * 4, verdicts
    at_once: list[str] = []
    for event in events:
        if isinstance(event, Started):
            at_once.append(event.case)
            assert len(at_once) == len(set(at_once)) <= (1 if busy else 2), events
        elif isinstance(event, CaseVerdict):
            at_once.remove(event.case)


def test_whether_there_is_room_beside_one_that_measures_is_asked_when_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Room, "busy", lambda *_: 0.0)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    began: list[float] = []

    def tell(event: Event) -> None:
        if isinstance(event, Started):
            began.append(time.monotonic())

    def two_came() -> bool:
        return len(list(tmp_path.glob("began-*"))) > 1

    async def measures(run: Run) -> None:
        (tmp_path / f"began-{os.getpid()}").touch()
        while not two_came():
            await run.sleep(0.01)

    what = plan(tmp_path, case(measures, alone=True), case(measures, 2, alone=True))
    assert [verdict.verdict for verdict in run(what, tell)] == [Verdict.PASS] * 2
    assert began[1] - began[0] >= WINDOW_S


def test_how_busy_the_machine_is_is_looked_at_also_while_nobody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    monkeypatch.setattr(Room, "look", lambda _, now: looks.append(now))
    during: list[int] = []

    def tell(event: Event) -> None:
        during.append(len(looks))

    async def measures(run: Run) -> None:
        await run.sleep(1)

    run(plan(tmp_path, case(measures, alone=True)), tell)
    started, ended = during
    assert ended - started >= 4


@pytest.mark.parametrize(("jobs", "most"), [(None, 1), (2, 2)])
def test_a_busy_machine_runs_no_more_at_once_than_it_has_cores_or_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int | None, most: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(Room, "busy", lambda *_: 1.0)

    def here() -> int:
        return len(list(tmp_path.glob("running-*")))

    async def count(run: Run) -> None:
        mine = tmp_path / f"running-{os.getpid()}"
        mine.touch()
        while here() < most and not (tmp_path / f"seen-{most}").exists():
            await run.sleep(0.01)
        await run.sleep(0.5)  # one too many would come now
        (tmp_path / f"seen-{here()}").touch()
        mine.unlink()

    verdicts, _ = judged(plan(tmp_path, *(case(count, n) for n in (1, 2, 3)), jobs=jobs))
    assert [v.verdict for v in verdicts] == [Verdict.PASS] * 3, verdicts
    assert max(int(seen.name[5:]) for seen in tmp_path.glob("seen-*")) == most


def test_each_repetition_has_a_recording_of_its_own(tmp_path: Path) -> None:
    what = plan(tmp_path, case(three_steps), repeat=2)
    verdicts, _ = judged(what)
    assert {v.journal for v in verdicts} == {
        "journal/client-usdm-CONN-01.jsonl",
        "journal/client-usdm-CONN-01-r2.jsonl",
    }


def test_a_case_that_goes_through_the_modes_stays_in_the_column_of_its_testee(
    tmp_path: Path,
) -> None:
    async def again(run: Run) -> None:
        await run.stop()
        await run.start(mode="raw")
        await run.until_live()

    # Raw events come at the same path to a client that does not look at them.
    ((verdict,), _) = judged(plan(tmp_path, case(again)))
    assert (verdict.verdict, verdict.mode) == (Verdict.PASS, "combined")


def test_a_profile_that_is_not_declared_is_unsupported_and_starts_nothing(tmp_path: Path) -> None:
    what = plan(tmp_path, case(nothing), profiles=["spot"])
    spotless = [Description(name="client", command=["false"], profiles=["usdm"])]
    verdicts = run(
        Plan(testees=spotless, cases=what.cases, out=what.out, profiles=["spot"]), lambda _: None
    )
    assert verdicts[0].verdict is Verdict.UNSUPPORTED
    assert verdicts[0].reason == "declare 'spot' under `profiles`"
    assert not (what.out / "journal").exists()


def test_each_case_is_a_session_of_its_own(tmp_path: Path) -> None:
    async def own(run: Run) -> None:
        (tmp_path / "sessions").write_text(f"{os.getsid(0)} {os.getpid()}")

    judged(plan(tmp_path, case(own)))
    session, pid = (tmp_path / "sessions").read_text().split()
    assert session == pid
    assert int(session) != os.getsid(0)


def test_what_a_testee_left_behind_is_ended_while_others_run(tmp_path: Path) -> None:
    daemon = tmp_path / "daemon.py"
    daemon.write_text(
        "import os, time\nos.setsid()\nif os.fork(): os._exit(0)\n"
        "open('pid', 'w').write(str(os.getpid()))\nos.rename('pid', 'daemon')\ntime.sleep(300)\n"
    )

    async def leave(run: Run) -> None:
        # Not the testee's but our own: nobody but the parent can know of it.
        subprocess.run([sys.executable, str(daemon)], cwd=tmp_path, check=True)
        while not (tmp_path / "daemon").exists():
            await run.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)

    async def watch(run: Run) -> None:
        while not (tmp_path / "daemon").exists():
            await run.sleep(0.01)
        pid = int((tmp_path / "daemon").read_text())
        while psutil.pid_exists(pid):
            await run.sleep(0.01)

    verdicts, _ = judged(plan(tmp_path, case(leave), case(watch, 2)))
    by_number = {v.number: v.verdict for v in verdicts}
    assert by_number == {"CONN-01": Verdict.ERROR, "CONN-02": Verdict.PASS}


def test_an_interrupt_ends_workers_and_testees_and_keeps_what_is_recorded(tmp_path: Path) -> None:
    parent = os.getpid()

    async def interrupt(run: Run) -> None:
        os.kill(parent, signal.SIGINT)
        await run.sleep(60)

    what = plan(tmp_path, case(interrupt))
    before = psutil.Process().children()
    with pytest.raises(KeyboardInterrupt):
        run(what, lambda _: None)
    assert not running(what)
    assert psutil.Process().children() == before
    recording = read_recording(what.out / "journal" / "client-usdm-CONN-01.jsonl")
    assert recording.outcome["reason"] == "interrupted"


def test_a_second_interrupt_while_the_first_is_told_leaves_no_worker(tmp_path: Path) -> None:
    parent = os.getpid()

    async def interrupt(run: Run) -> None:
        os.kill(parent, signal.SIGINT)
        await run.sleep(60)

    def impatient(event: Event) -> None:
        if isinstance(event, Stopping):
            for _ in range(3):
                os.kill(parent, signal.SIGINT)

    what = plan(tmp_path, case(interrupt))
    before = psutil.Process().children()
    with pytest.raises(AtOnce):
        run(what, impatient)
    assert psutil.Process().children() == before
    assert not running(what)
