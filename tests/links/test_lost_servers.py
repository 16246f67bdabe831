"""The server of a case that runs is killed, stopped, or loses a port: that case is an ERROR which
says so, the next one of the same run is untouched, and nothing is left running."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from mockex_conformance.report.record import read_record
from mockex_conformance.verdict import Verdict

pytestmark = [pytest.mark.toxiproxy, pytest.mark.timeout(240)]

WITHIN_S = 120.0
LOOK_EVERY_S = 0.002


class ARun:
    """`mockex conform` in a process of its own, with all that it starts."""

    def __init__(self, out: Path, *args: str) -> None:
        mockex = Path(sys.executable).with_name("mockex")
        self._out = out
        self._process = subprocess.Popen(
            [str(mockex), "conform", *args, "--out", str(out)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self.seen: dict[int, str] = {}  # processes by id
        self.ports: set[int] = set()  # that servers listened on

    def servers(self) -> list[psutil.Process]:
        """The Toxiproxy servers that run."""
        found = []
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    self.seen[process.pid] = " ".join(process.cmdline())
                    if Path(process.exe()).name.startswith("toxiproxy-server"):
                        found.append(process)
        return found

    def until_used(self, case: str) -> tuple[int, set[int]]:
        """Wait until the testee of a case is connected through a server; its process, and the ports
        of its links."""
        journal = self._out / "journal" / f"reference-usdm-{case}.jsonl"
        until = time.monotonic() + WITHIN_S
        while time.monotonic() < until:
            assert self._process.poll() is None, self._process.communicate()[0]
            for server in self.servers() if journal.exists() else ():
                with suppress(psutil.Error):
                    sockets = server.net_connections("tcp")
                    ports = {s.laddr.port for s in sockets if s.status == "LISTEN"}
                    self.ports |= ports
                    links = ports - {_asked_port(server)}
                    if any(s.status == "ESTABLISHED" and s.laddr.port in links for s in sockets):
                        return server.pid, links
            time.sleep(LOOK_EVERY_S)
        pytest.fail("no testee came through a link")

    def until_over(self) -> str:
        """Wait for the end; what was said."""
        while self._process.poll() is None:
            self.servers()
            with suppress(subprocess.TimeoutExpired):
                said, _ = self._process.communicate(timeout=0.2)
                return said
        return self._process.communicate()[0]

    def send(self, number: signal.Signals) -> None:
        """A signal to the run itself."""
        self._process.send_signal(number)

    def left(self) -> list[str]:
        """What still runs of all that was seen, and which ports are not free."""
        left = []
        for pid, line in self.seen.items():
            with suppress(psutil.NoSuchProcess):
                if " ".join(psutil.Process(pid).cmdline()) == line != "":
                    left.append(line)
        for port in self.ports:
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    sock.bind(("127.0.0.1", port))
                    sock.listen()
                except OSError:
                    left.append(f"port {port}")
        return left

    def end(self) -> None:
        """By force, if it has not ended."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def _asked_port(server: psutil.Process) -> int:
    """Of its API."""
    command = server.cmdline()
    return int(command[command.index("-port") + 1]) if "-port" in command else 0


@pytest.fixture
def conform(tmp_path: Path) -> Iterator[Callable[..., ARun]]:
    """Starts a run of cases, one after the other over a link; nothing is left of it at the end."""
    runs: list[ARun] = []

    def start(*cases: str) -> ARun:
        chosen = [word for case in cases for word in ("--case", case)]
        args = ["reference", "--profile", "usdm", *chosen, "--link", "ends=fin", "--jobs", "1"]
        runs.append(ARun(tmp_path / "out", *args))
        return runs[-1]

    yield start
    for run in runs:
        run.end()


def verdicts(tmp_path: Path) -> list[tuple[str, Verdict, str]]:
    """Number, verdict and reason, in the order in which they ran."""
    return [(v.number, v.verdict, v.reason) for v in read_record(tmp_path / "out").verdicts]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_is_gone_or_stands_still_costs_its_case_an_error(
    tmp_path: Path, conform: Callable[..., ARun], number: signal.Signals
) -> None:
    run = conform("SUB-01", "HB-03")
    pid, _ = run.until_used("SUB-01")
    os.kill(pid, number)
    said = run.until_over()
    struck, other = verdicts(tmp_path)
    assert struck[:2] == ("SUB-01", Verdict.ERROR), said
    assert struck[2].startswith("the link: the Toxiproxy server does not answer"), said
    assert other[:2] == ("HB-03", Verdict.PASS), said
    assert "1 ERROR" in said
    assert run.left() == []


def test_a_port_that_is_taken_while_it_refuses_costs_its_case_an_error(
    tmp_path: Path, conform: Callable[..., ARun]
) -> None:
    run = conform("RECON-02", "HB-03")
    _, ports = run.until_used("RECON-02")
    with taken_once_free(ports):
        while not (tmp_path / "out" / "run.jsonl").exists() or not verdicts(tmp_path):
            time.sleep(0.05)
    said = run.until_over()
    struck, other = verdicts(tmp_path)
    assert struck[:2] == ("RECON-02", Verdict.ERROR), said
    assert "the link: Toxiproxy answered 500" in struck[2], said
    assert "address already in use" in struck[2], said
    assert other[:2] == ("HB-03", Verdict.PASS), said
    assert run.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_in_a_case_with_a_link_leaves_nothing(
    conform: Callable[..., ARun], number: signal.Signals
) -> None:
    run = conform("HB-03")
    run.until_used("HB-03")
    run.send(number)
    run.until_over()
    until = time.monotonic() + WITHIN_S
    while left := run.left():
        assert time.monotonic() < until, left
        time.sleep(0.05)


@contextmanager
def taken_once_free(ports: set[int]) -> Iterator[None]:
    """Listens on the first of these ports that becomes free."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        until = time.monotonic() + WITHIN_S
        while not any(_listens(sock, port) for port in ports):
            assert time.monotonic() < until, "no port became free"
            time.sleep(LOOK_EVERY_S)
        yield


def _listens(sock: socket.socket, port: int) -> bool:
    try:
        sock.bind(("127.0.0.1", port))
        sock.listen()
    except OSError:
        return False
    return True
