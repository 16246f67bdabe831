"""Runs of a testee of a few lines, planned by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

from mockex_conformance.case import Case, Run
from mockex_conformance.description import Description, Limits
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.scheduler import Event, run
from mockex_conformance.verdict import CaseVerdict, Level, Severity

FEED = """\
import asyncio, os, sys
from websockets.asyncio.client import connect
async def feed():
    streams = os.environ["MOCKEX_STREAMS"].replace(",", "/")
    url = os.environ["MOCKEX_WS_URL"] + "/public/stream?streams=" + streams
    async with connect(url, ping_interval=None, proxy=None) as ws:
        async for _ in ws:
            pass
asyncio.run(feed())
"""
CLIENT = 'open("starts", "a").write("x")\n' + FEED


def case(body: Callable[[Run], Awaitable[None]], number: int = 1, *, alone: bool = False) -> Case:
    return Case(
        id=f"test/case-{number}",
        number=f"CONN-{number:02}",
        severity=Severity.MUST,
        level=Level.L0,
        body=body,
        requirement="It does what the test says.",
        alone=alone,
    )


def plan(folder: Path, *cases: Case, script: str = CLIENT, **more: object) -> Plan:
    program = folder / "program.py"
    program.write_text(script)
    testee = Description(
        name="client",
        command=["{python}", str(program)],
        cwd=folder,
        limits=Limits(close_ms=500),
    )
    return Plan(
        testees=[testee],
        cases=cases,
        out=folder / "out",
        **{"profiles": ["usdm"], **more},  # type: ignore[arg-type]
    )


def judged(what: Plan) -> tuple[list[CaseVerdict], list[Event]]:
    events: list[Event] = []
    verdicts = run(what, events.append)
    assert [event for event in events if isinstance(event, CaseVerdict)] == verdicts
    assert not running(what), "nothing of the testee is left"
    return verdicts, events


def running(what: Plan) -> list[int]:
    program = what.testees[0].command[1]
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if program in (process.info["cmdline"] or [])
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


async def nothing(run: Run) -> None:
    pass


async def three_steps(run: Run) -> None:
    await run.until_steps(3)
