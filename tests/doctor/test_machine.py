"""Limits, network, time and places: what a machine gives, and what it lacks."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest

from mockex.doctor import limits, network, places, timing
from mockex.doctor.answer import Answer, State
from mockex_conformance.harness import room

Limits = tuple[int, int]


def limited(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))


def in_child(expression: str, limit: str, most: int) -> dict[str, str]:
    """An answer of a process under a limit of the kernel."""
    code = (
        "import dataclasses, json, pathlib, resource\n"
        "from mockex.doctor import limits, places\n"
        f"hard = resource.getrlimit(resource.{limit})[1]\n"
        f"resource.setrlimit(resource.{limit}, ({most}, hard))\n"
        f"print(json.dumps(dataclasses.asdict({expression})))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    found: dict[str, str] = json.loads(ended.stdout)
    return found


# --- limits ---------------------------------------------------------------------------------------


def test_too_few_open_files_are_told_with_the_line_that_raises_them() -> None:
    answer = in_child("limits.open_files()", "RLIMIT_NOFILE", 100)
    assert (answer["state"], answer["what"]) == ("lacking", "100 for a process; 512 are needed")
    assert answer["repair"].startswith("ulimit -n ")
    assert in_child("limits.open_files()", "RLIMIT_NOFILE", 512)["state"] == "ok"


@pytest.mark.parametrize(
    ("hard", "repair"),
    [
        (100, "have 512 allowed in /etc/security/limits.conf (as root)"),
        (600, "ulimit -n 600"),
        (1_048_576, "ulimit -n 4096"),
        (resource.RLIM_INFINITY, "ulimit -n 4096"),
    ],
)
def test_nobody_is_told_to_raise_a_limit_beyond_what_he_may(
    monkeypatch: pytest.MonkeyPatch, hard: int, repair: str
) -> None:
    limited(monkeypatch, 100, hard)
    assert limits.open_files().repair == repair


def test_unlimited_files_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert limits.open_files().state is State.OK
    assert limits.open_files().what == "unlimited for a process"


def kernel(root: Path, most: str, used: int, threads: int = 0) -> Path:
    """The kernel's files of a machine with one process of ours."""
    group = root / "sys/fs/cgroup/job"
    group.mkdir(parents=True)
    (group / "pids.max").write_text(f"{most}\n")
    (group / "pids.current").write_text(f"{used}\n")
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/job\n")
    for thread in range(threads):
        (root / "proc/7/task" / str(thread)).mkdir(parents=True)
    return root


def test_a_container_that_allows_few_processes_is_found_out(tmp_path: Path) -> None:
    answer = limits.processes(kernel(tmp_path, "300", 100))
    assert answer.state is State.LACKING
    assert answer.what == "room for 200 more (control group: 300); 256 are needed"
    assert answer.repair == "raise pids.max (docker: --pids-limit)"


def test_the_threads_of_a_user_count_against_his_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, 300, 400)
    root = kernel(tmp_path, "max", 100, threads=60)
    user = os.getuid() or 1000
    if os.getuid() == 0:  # who is not counted himself
        os.chown(root / "proc/7", user, -1)
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert limits.processes(root).state is State.OK
    monkeypatch.setattr(os, "geteuid", lambda: user)
    answer = limits.processes(root)
    assert answer.what == "room for 240 more (limit 300); 256 are needed"
    assert answer.repair == "ulimit -u 400"


def test_the_narrower_of_two_limits_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 5000, 5000)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert limits.processes(kernel(tmp_path, "400", 100)).what == (
        "room for 300 more (control group: 400)"
    )


def test_the_limit_of_users_is_none_for_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, 10, 10)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert limits.processes(kernel(tmp_path, "max", 100)).what == "no limit that counts"


def test_where_nothing_limits_processes_nothing_is_asked_for(tmp_path: Path) -> None:
    assert limits._of_group(kernel(tmp_path, "max", 100)) is None
    assert limits._of_group(tmp_path / "nowhere") is None


# --- network --------------------------------------------------------------------------------------


def test_the_loopback_carries_bytes() -> None:
    assert network.loopback().state is State.OK


def test_a_loopback_that_is_closed_is_told_with_the_kernels_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)
    answer = network.loopback()
    assert (answer.state, answer.what) == (State.BROKEN, "127.0.0.1: Network is unreachable")
    assert answer.required


def unknown() -> list[str]:
    raise socket.gaierror(-2, "Name or service not known")


@pytest.mark.parametrize(
    ("look_up", "what"),
    [
        (lambda: ["127.0.0.1"], "is 127.0.0.1"),
        (lambda: ["10.0.0.7"], "is 10.0.0.7, not 127.0.0.1"),
        (unknown, "is not found: Name or service not known"),
    ],
)
def test_localhost_is_what_it_is_found_to_be(look_up: Callable[[], list[str]], what: str) -> None:
    assert network.localhost(look_up).what == what
    assert (network.localhost(look_up).state is State.OK) == (what == "is 127.0.0.1")


def test_a_name_server_that_hangs_costs_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_LOOKED_UP_S", 0.05)
    end = Event()

    def hang() -> list[str]:
        end.wait()
        return []

    answer = network.localhost(hang)
    end.set()
    assert (answer.state, answer.what) == (State.BROKEN, "the look-up takes more than 0.05 s")


def test_a_port_that_is_taken_is_told_with_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        answer = network.port(number)
        assert answer.state is State.LACKING
        assert answer.required
        assert f"(process {os.getpid()})" in answer.what
    assert network.port(number).state is State.OK


def test_a_port_of_the_kernels_range_is_free_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
    monkeypatch.setattr(network, "ephemeral", lambda: (number, number))
    assert network.port(number).what == (
        "free, but the kernel also gives it to outgoing connections"
    )
    monkeypatch.setattr(network, "ephemeral", lambda: (number + 1, number + 2))
    assert network.port(number).what == "free"


def test_a_narrow_range_of_ports_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "ephemeral", lambda: (60_000, 60_999))
    answer = network.ports()
    assert answer.state is State.LACKING
    assert answer.what == "60000 to 60999 are given to connections; 4096 are needed"
    monkeypatch.setattr(network, "ephemeral", lambda: None)
    assert network.ports().state is State.OK


# --- time -----------------------------------------------------------------------------------------


def test_the_clocks_are_watched_together_with_sleeps_and_load() -> None:
    assert [answer.name for answer in timing.watched(0.02)] == ["clock", "sleep", "load"]


@pytest.mark.parametrize(
    ("apart_ms", "wall_s", "state"),
    [(3.0, 1.8e9, State.OK), (-800.0, 1.8e9, State.BROKEN), (0.0, 1000.0, State.BROKEN)],
)
def test_a_clock_that_was_moved_or_never_set_is_told(
    apart_ms: float, wall_s: float, state: State
) -> None:
    assert timing.clocks(apart_ms, wall_s).state is state


def test_sleeps_are_judged_by_what_is_usual_and_told_with_the_worst() -> None:
    assert timing.sleeps([0.1, 0.2, 300.0]).state is State.OK
    answer = timing.sleeps([25.0, 30.0, 35.0])
    assert answer.state is State.LACKING
    assert answer.what == "30.0 ms late, at most 35.0; more than 20 blurs what is judged in time"


def test_a_busy_machine_is_told_and_does_not_count() -> None:
    answer = timing.load(0.9)
    assert (answer.state, answer.required) == (State.LACKING, False)
    assert "90% busy; above 70% no case is started" in answer.what
    assert timing.load(0.3).state is timing.load(None).state is State.OK


def test_busy_is_what_the_suite_takes_for_busy() -> None:
    assert timing.BUSY == room.BUSY


# --- places ---------------------------------------------------------------------------------------


def cache(folder: Path | None) -> Answer:
    return places.cache_folder(folder)


def test_a_folder_that_takes_files_is_told_with_its_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=7_000_000_000))
    assert (cache(tmp_path).state, cache(tmp_path).what) == (
        State.OK,
        f"{tmp_path}, 7,000 MB free",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_nearly_full_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5_000_000))
    assert cache(tmp_path).state is State.LACKING
    assert cache(tmp_path).what == f"{tmp_path} has 5 MB free; 600 are needed"


def test_a_folder_that_is_not_there_yet_can_be_made(tmp_path: Path) -> None:
    answer = cache(tmp_path / "a" / "b")
    assert (answer.state, answer.repair) == (State.LACKING, f"mkdir -p {tmp_path / 'a' / 'b'}")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = cache(tmp_path / "file" / "b")
    assert (answer.state, answer.what) == (
        State.BROKEN,
        f"{tmp_path / 'file' / 'b'} cannot be made",
    )
    assert answer.repair == "export XDG_CACHE_HOME to a folder that can be written to"


def test_a_folder_that_takes_no_file_is_told() -> None:
    answer = cache(Path("/proc/self"))  # nobody can write there, root neither
    assert answer.state is State.BROKEN
    assert answer.what.startswith("/proc/self: ")


def test_a_disk_that_takes_no_byte_more_is_told(tmp_path: Path) -> None:
    answer = in_child(f"places.cache_folder(pathlib.Path({str(tmp_path)!r}))", "RLIMIT_FSIZE", 100)
    assert (answer["state"], answer["what"]) == ("broken", f"{tmp_path}: File too large")


def test_a_file_system_that_has_gone_costs_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = Event()
    monkeypatch.setattr(places, "_TRIED_S", 0.05)
    monkeypatch.setattr(places, "_tried", lambda _: end.wait() and 0)
    answer = cache(tmp_path)
    end.set()
    assert (answer.state, answer.what) == (State.BROKEN, f"{tmp_path} does not answer")


def test_without_a_home_folder_there_is_no_cache() -> None:
    assert (cache(None).state, cache(None).required) == (State.LACKING, False)


def test_a_machine_without_a_temporary_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    answer = places.temp_folder()
    assert (answer.state, answer.required) == (State.BROKEN, True)
    assert answer.what == "No usable temporary directory found in ['/tmp']"


@pytest.mark.parametrize(
    ("encoding", "state"),
    [("utf-8", State.OK), ("ascii", State.LACKING), ("iso8859-1", State.LACKING)],
)
def test_a_terminal_that_cannot_show_everything_is_told(encoding: str, state: State) -> None:
    assert places.terminal(encoding).state is state
