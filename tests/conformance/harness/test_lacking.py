"""The parent of a run on a machine that has not what it needs."""

from __future__ import annotations

import errno
import os
import resource
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import urlsplit

import pytest

from mockex.server.journal import Journal
from mockex_conformance.case import Run
from mockex_conformance.harness import process
from mockex_conformance.harness.scheduler import Started
from mockex_conformance.observers.system import Observer
from mockex_conformance.verdict import Verdict
from tests.conformance.harness.planned import CLIENT, case, judged, plan

pytestmark = pytest.mark.timeout(60)


def none_left(*_: object, **__: object) -> int:
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def test_a_machine_that_starts_no_testee_says_nothing_of_the_testee(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live(run: Run) -> None:
        pass

    monkeypatch.setattr(subprocess, "Popen", none_left)
    ((verdict,), _) = judged(plan(tmp_path, case(live)))
    assert verdict.verdict is Verdict.ERROR
    assert verdict.reason == (
        "this machine: no more processes may be started: raise `ulimit -u`, or end some"
    )


def test_a_case_for_which_no_process_is_left_waits_for_the_end_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork, calls = os.fork, 0

    def two_at_most() -> int:
        nonlocal calls
        calls += 1
        return none_left() if calls == 3 else fork()

    async def live(run: Run) -> None:
        pass

    monkeypatch.setattr(os, "fork", two_at_most)  # the first is the start before all cases
    verdicts, events = judged(plan(tmp_path, case(live, 1), case(live, 2), jobs=2))
    assert [verdict.verdict for verdict in verdicts] == [Verdict.PASS, Verdict.PASS]
    assert calls == 4
    assert len([event for event in events if isinstance(event, Started)]) == 2


def test_a_run_for_which_no_process_is_left_at_all_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live(run: Run) -> None:
        pass

    monkeypatch.setattr(os, "fork", none_left)
    with pytest.raises(BlockingIOError):
        judged(plan(tmp_path, case(live)))


def test_a_recording_that_the_disk_does_not_take_is_named_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live(run: Run) -> None:
        pass

    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "journal/of-it.jsonl")
    monkeypatch.setattr(Journal, "close", Mock(side_effect=full))
    ((verdict,), _) = judged(plan(tmp_path, case(live)))
    assert verdict.verdict is Verdict.ERROR
    assert verdict.reason == "mockex: journal/of-it.jsonl: No space left on device"


def test_an_exchange_may_open_more_files_than_its_testee(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live(run: Run) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft == hard

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = 500
    assert few < hard
    script = (
        "import resource\nfiles = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        f"open('files', 'w').write(repr(files))\n{CLIENT}"
    )
    monkeypatch.setattr(process, "_USERS_FILES", few)
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
    try:
        ((verdict,), _) = judged(plan(tmp_path, case(live), script=script))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert verdict.verdict is Verdict.PASS, verdict
    assert (tmp_path / "files").read_text() == repr((few, hard))


def test_an_observer_that_may_open_no_file_says_nothing_of_the_testee(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacks(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async def observed(run: Run) -> None:
        monkeypatch.setattr(Observer, "sample", lacks)
        await run.sleep(5)

    ((verdict,), _) = judged(plan(tmp_path, case(observed)))
    assert verdict.verdict is Verdict.ERROR, verdict
    assert verdict.reason == "this machine: too many open files: raise `ulimit -n`"


def test_an_exchange_that_cannot_accept_says_nothing_of_the_testee(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_file_left(run: Run) -> None:
        monkeypatch.setattr(Observer, "sample", lambda *_: None)  # which would lack one as well
        client = socket.socket()
        client.setblocking(False)
        most = max(map(int, os.listdir("/proc/self/fd"))) + 1
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        holes = []
        with suppress(OSError):  # the limit is one of numbers, and some below it may be free
            while True:
                holes.append(os.dup(0))
        with suppress(BlockingIOError):
            client.connect(("127.0.0.1", urlsplit(run.exchange.ws_url).port))
        await run.sleep(0.3)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in holes:
            os.close(descriptor)
        client.close()

    ((verdict,), _) = judged(plan(tmp_path, case(no_file_left)))
    assert verdict.verdict is Verdict.ERROR
    assert verdict.reason == "this machine: too many open files: raise `ulimit -n`"
