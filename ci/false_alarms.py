#!/usr/bin/env python3
"""False alarms: what is right, judged again and again while every core is kept busy.

    python3 ci/run.py false-alarms                          20 runs on the machine
    python3 ci/run.py false-alarms --ground virtual         20 seeds in virtual time
    python3 ci/run.py false-alarms --runs 2 --case 'HB-*' two-deliveries

Each run has a seed of its own, drawn from `--seed`, which is printed. What does not pass, and is
not UNSUPPORTED, is told with what was found, its seed and the command that replays it, and its
recordings are kept; those of what passed are removed. The exit code is 1 if there was any.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from random import Random, SystemRandom

from mockex.clock import monotonic_s
from mockex_conformance.harness.process import die_with
from mockex_conformance.report import text
from mockex_conformance.report.record import read_record
from mockex_conformance.verdict import CaseVerdict, Verdict

RIGHT = ("reference", "two-deliveries", "slow-but-right", "per-stream-connections", "pull-model")
FINE = (Verdict.PASS, Verdict.UNSUPPORTED)
JOBS_A_CORE = 4  # the suite's own choice sees a busy machine, and would run two


@contextmanager
def busy(cores: int) -> Iterator[None]:
    """Keep so many cores busy with nothing."""
    with ExitStack() as stack:
        for _ in range(cores):
            burner = subprocess.Popen(
                [sys.executable, "-c", "while True: pass"],
                preexec_fn=partial(die_with, os.getpid()),
            )
            stack.callback(burner.wait)
            stack.callback(burner.kill)
        yield


def run(given: argparse.Namespace, seed: int, out: Path) -> list[CaseVerdict]:
    """One run of everything; what did not pass."""
    command = [
        sys.executable, "-m", "mockex", "conform", *(given.testees or RIGHT),
        "--seed", str(seed), "--ground", given.ground, "--out", str(out),
        *(["--jobs", str(given.jobs)] if given.jobs else []),
        *(part for glob in given.case for part in ("--case", glob)),
        *(["--profile", given.profile] if given.profile else []),
    ]  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    with (out / "said.txt").open("wb") as said:
        done = subprocess.run(command, stdout=said, stderr=subprocess.STDOUT, check=False)
    if done.returncode not in (0, 1, 7):
        sys.exit(f"conform ended with {done.returncode}; see {out / 'said.txt'}")
    record = read_record(out)
    wrong = [verdict for verdict in record.verdicts if verdict.verdict not in FINE]
    for verdict in record.verdicts:
        if verdict.journal and verdict.verdict in FINE:
            (out / verdict.journal).unlink(missing_ok=True)
    counts = Counter(str(verdict.verdict) for verdict in record.verdicts)
    print(f"seed {seed}: {text.counted(counts)}", flush=True)
    for verdict in wrong:
        print(f"  {verdict.verdict} {text.title(verdict)}")
        print("\n".join(f"    {line}" for line in text.block(verdict).splitlines()))
        print(f"    {verdict.replay}", flush=True)
    return wrong


def main(arguments: Sequence[str]) -> int:
    """The command line; 0 if nothing that is right was failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cores = os.cpu_count() or 1
    parser.add_argument("testees", nargs="*", metavar="TESTEE", help=" ".join(RIGHT))
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--ground", choices=("real", "virtual"), default="real")
    parser.add_argument("--case", action="append", default=[], metavar="GLOB")
    parser.add_argument("--profile", choices=("spot", "usdm"))
    parser.add_argument("--busy", type=int, help="cores kept busy; default: all, real ground only")
    parser.add_argument("--jobs", type=int, help="cases side by side")
    parser.add_argument("--seed", type=int, help="seeds are drawn from this one")
    parser.add_argument("--out", type=Path, default=Path("out/false-alarms"))
    given = parser.parse_args(arguments)
    if given.ground == "real" and given.jobs is None:
        given.jobs = JOBS_A_CORE * cores
    if given.busy is None:
        given.busy = cores if given.ground == "real" else 0
    drawn_from = SystemRandom().randrange(2**31) if given.seed is None else given.seed
    print(f"{given.runs} runs, --seed {drawn_from}, {given.busy} cores busy", flush=True)
    seeds = Random(drawn_from)
    began_s = monotonic_s()
    alarms: Counter[tuple[str, str]] = Counter()
    with busy(given.busy):
        for number in range(1, given.runs + 1):
            seed = seeds.randrange(2**31)
            wrong = run(given, seed, given.out / f"{number:02}-{seed}")
            alarms.update((verdict.testee, verdict.number) for verdict in wrong)
    minutes = (monotonic_s() - began_s) / 60
    print(f"{alarms.total()} false alarms in {given.runs} runs, {minutes:.0f} min")
    for (testee, case), count in alarms.most_common():
        print(f"  {count} times {testee} {case}")
    return int(bool(alarms))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
