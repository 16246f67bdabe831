"""Holds the fault proxy on a leash: `python -m mockex.faults._guard PROGRAM ARGUMENTS…`.

Starts the program and waits for one of two things: the program's end, whose exit code it takes, or
the end of its own stdin, which comes when whoever started it is gone, however that went. Then the
program is ended.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading

_STOP_S = 2.0


def main(command: list[str]) -> int:
    """Run `command` for as long as stdin stays open; its exit code."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - what we are for

    def end_with_stdin() -> None:
        # Not sys.stdin: its buffer must not be locked when the interpreter ends.
        while os.read(0, 4096):
            pass
        child.terminate()
        try:
            child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()

    threading.Thread(target=end_with_stdin, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        return child.wait()
    child.kill()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
