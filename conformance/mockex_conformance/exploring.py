"""`mockex explore` and `mockex replay`: what runs behind them."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from pathlib import Path

from mockex.cli import ExitCode, complain, say, say_json
from mockex.errors import ConfigError
from mockex_conformance import results
from mockex_conformance.description import Description
from mockex_conformance.errors import CannotRun
from mockex_conformance.explore.play import failed, play
from mockex_conformance.explore.schedule import Schedule, read
from mockex_conformance.harness.virtual import load_entry
from mockex_conformance.report.outcome import outcome


def explore(
    testee: Description,
    *,
    named: str,
    profile: str,
    seed: int,
    most: int | None,
    seconds: float | None,
    keep_going: bool,
    jobs: int | None,
    out: Path,
    as_json: bool = False,
) -> ExitCode:
    """Search, show and keep what fails, also if it is interrupted.

    Raises:
        ConfigError: hypothesis is not there, or the testee cannot run in virtual time.
    """
    if importlib.util.find_spec("hypothesis") is None:
        raise ConfigError("explore", "hypothesis", "to be installed: pip install 'mockex[explore]'")
    from mockex_conformance.explore import report
    from mockex_conformance.explore.search import Search, search

    try:  # once, before the children are made
        load_entry(testee.entry, testee.cwd)
    except CannotRun as error:
        raise ConfigError("TESTEE", testee.name, f"one that can run ({error})") from None
    what = Search(
        testee=testee,
        profile=profile,
        seed=seed,
        jobs=jobs or os.cpu_count() or 1,
        most=most,
        seconds=seconds,
        keep_going=keep_going,
    )
    live = report.Live()
    try:
        tally = search(what, live)
    finally:
        live.done()
    kept = []
    for kind, found in sorted(tally.found.items()):
        schedule = Schedule(
            testee=named,
            profile=profile,
            seed=found.seed,
            step_ms=found.step_ms,
            steps=found.steps,
            findings=found.findings,
        )
        path = out / f"explore-{testee.name}-{profile}-{kind}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(schedule.to_json())
        kept.append((kind, path, schedule))
    code = ExitCode.FAILED if kept else ExitCode.OK
    if tally.interrupted:
        code = ExitCode.INTERRUPTED
    if as_json:
        say_json(results.explored(what, tally, kept, code))
    else:
        report.show(what, tally, [(path, schedule) for _, path, schedule in kept])
    if tally.interrupted:
        complain("interrupted")
    return code


def replay(path: Path, *, out: Path | None, as_json: bool = False) -> ExitCode:
    """Play a kept schedule again and say what it leads to now.

    Raises:
        ConfigError: it cannot be read or played.
    """
    schedule = read(path)
    verdict = play(
        schedule.testee,
        profile=schedule.profile,
        seed=schedule.seed,
        step_ms=schedule.step_ms,
        steps=schedule.steps,
        out=out,
    )
    code = ExitCode.FAILED if failed(verdict) else ExitCode.OK
    if as_json:
        result = replace(outcome([verdict]), exit_code=code)
        say_json(results.of_outcome(result))
        return code
    say(f"{schedule.testee} {schedule.profile}, {len(schedule.steps)} steps: {verdict.verdict}")
    for finding in verdict.findings:
        say(f"FAIL  {finding.message}")
        say(
            f"  {finding.at_s:.3f} s into it"
            + (f", after {finding.fault}" if finding.fault else "")
        )
    if verdict.reason:
        say(verdict.reason)
    if out is not None:
        say(f"Recording {out / verdict.journal}")
    return code
