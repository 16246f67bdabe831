"""What the search for a server has answered, servers that answer, and waiting for a process."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from mockex.faults.provisioning import Found, Missing


def reasons(answer: Found | Missing) -> dict[str, str]:
    return dict(answer.steps)


def missing(answer: Found | Missing) -> Missing:
    assert isinstance(answer, Missing), answer
    return answer


def found(answer: Found | Missing) -> Found:
    assert isinstance(answer, Found), answer
    return answer


@contextmanager
def serving(body: str, status: int = 200) -> Iterator[str]:
    """Something on a port of 127.0.0.1 that answers every GET so; its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = body if self.path == "/version" else "elsewhere"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def until(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait for a condition of another process."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether a process ends: nobody may be there to take its exit code."""
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")
    return True
