"""Holds the fault proxy on a leash: `python _guard.py PROGRAM ARGUMENTS…`.

Starts the program, says its process id on stdout, and waits for one of two things: the program's
end, whose exit code it takes, or the end of its own stdin, which comes when whoever started it is
gone, however that went. Then the program is ended. Standard library only, and run as a file: it is
started for each case that has a link, and importing anything would take longer than the proxy.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading

_STOP_S = 2.0


def main(command: list[str]) -> int:
    """Run `command` for as long as stdin stays open; its exit code. What it writes goes to our
    stderr."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2)  # noqa: S603
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        return 127

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
        with contextlib.suppress(OSError):
            os.write(1, f"{child.pid}\n".encode())
        return child.wait()
    child.kill()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
