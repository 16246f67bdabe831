"""The process that judges for pytest: plans come in on stdin, verdicts go out on stdout.

Cases run in processes that are forked for them (`harness.scheduler`), and what is forked must have
neither threads nor an event loop. A process that runs pytest has both, sooner or later: a worker of
pytest-xdist from its first moment. So it starts this one, which has everything imported and waits.
One line in is a `Task`; out comes a line for each verdict (or one that says why there are none),
then an empty one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

import msgspec

from mockex.errors import MockexError
from mockex_conformance.harness import batches, scheduler
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.process import die_with
from mockex_conformance.harness.scheduler import Event
from mockex_conformance.planning import plan_of
from mockex_conformance.verdict import CaseVerdict
from mockex_conformance.wish import Wish


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be judged: of what `wish` asks for only these cells (testee, profile, case id).
    `built`: what testees have to build is there."""

    wish: Wish
    only: list[tuple[str, str, str]]
    out: str
    jobs: int | None = None
    built: bool = False


class Cannot(msgspec.Struct, frozen=True, tag="cannot", tag_field="type"):
    """Why a task cannot be done."""

    why: str


Answer = CaseVerdict | Cannot


def main() -> None:
    """Work off tasks until there are no more."""
    die_with(os.getppid())
    tasks, answers = _apart()
    with tasks, answers, suppress(KeyboardInterrupt):  # told to stop: what runs is ended
        for line in tasks:
            _work_off(msgspec.json.decode(line, type=Task), answers.write)
            answers.write(b"\n")


def _apart() -> tuple[IO[bytes], IO[bytes]]:
    """Both pipes, where nothing that is forked here reads or prints into them."""
    sys.stdout.flush()
    tasks, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    os.close(nowhere)
    return os.fdopen(tasks, "rb"), os.fdopen(answers, "wb", buffering=0)


def _work_off(task: Task, write: Callable[[bytes], object]) -> None:
    def tell(event: Event) -> None:
        if isinstance(event, CaseVerdict):
            write(msgspec.json.encode(event) + b"\n")

    try:
        plan = plan_of(task.wish, Path(task.out), jobs=task.jobs)
    except MockexError as error:
        write(msgspec.json.encode(Cannot(str(error))) + b"\n")
        return
    testees = plan.testees
    if task.built:
        testees = [msgspec.structs.replace(testee, build=[]) for testee in testees]
    plan = replace(plan, testees=testees, only={*task.only})
    (batches if plan.ground is Ground.VIRTUAL else scheduler).run(plan, tell)


if __name__ == "__main__":
    main()
