"""How many files and processes there may be."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

from mockex.doctor.answer import Answer, State

# The suite itself holds some thirty in each process, a testee one for each connection: with 60
# streams on one each, and as many that are just being replaced, that is 150. Thrice that is room.
OPEN_FILES = 512
# Two cases for each core, each an exchange, a testee and what that starts; the kernel counts
# threads, and a JVM has twenty.
PROCESSES = 256
_RAISED_TO = 4096
_UNLIMITED = resource.RLIM_INFINITY


def open_files() -> Answer:
    """How many files a process may hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    state, what, repair = State.OK, f"{_shown(soft)} for a process", ""
    if not _allows(soft, OPEN_FILES):
        state, what = State.LACKING, f"{what}; {OPEN_FILES} are needed"
        repair = f"have {OPEN_FILES} allowed in /etc/security/limits.conf (as root)"
        if _allows(hard, OPEN_FILES):
            repair = f"ulimit -n {_RAISED_TO if _allows(hard, _RAISED_TO) else hard}"
    return Answer(
        name="open-files",
        state=state,
        what=what,
        needed_for="exchange and testee: one for each connection",
        repair=repair,
        required=True,
        details=(
            f"`ulimit -n` raises it up to {_shown(hard)}, for one shell and what that starts",
            "one connection for each of the 1,100 streams of SUB-08 takes 2,300",
        ),
    )


def _allows(limit: int, wanted: int) -> bool:
    return limit == _UNLIMITED or limit >= wanted


def _shown(limit: int) -> str:
    return "unlimited" if limit == _UNLIMITED else str(limit)


_Room = tuple[int, str, str]  # how many more, by which limit, how that is raised


def processes(root: Path = Path("/")) -> Answer:
    """How many more processes and threads this user may start here; `root` is where the kernel's
    files lie."""
    state, what, repair = State.OK, "no limit that counts", ""
    rooms = [room for room in (_of_user(root), _of_group(root)) if room is not None]
    if rooms:
        room, limit, more = min(rooms)
        what = f"room for {room} more ({limit})"
        if room < PROCESSES:
            state, what, repair = State.LACKING, f"{what}; {PROCESSES} are needed", more
    return Answer(
        name="processes",
        state=state,
        what=what,
        needed_for="mockex conform: worker, testee and what that starts, for each case",
        repair=repair,
        required=True,
    )


def _of_user(root: Path) -> _Room | None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft == _UNLIMITED or os.geteuid() == 0:  # root is not counted
        return None
    used = 0
    for process in root.glob("proc/[0-9]*"):
        with suppress(OSError):
            if process.stat().st_uid == os.geteuid():
                used += len(os.listdir(process / "task"))
    return soft - used, f"limit {soft}", f"ulimit -u {_shown(hard)}"


def _of_group(root: Path) -> _Room | None:
    """The room in our control group; a container sees its own one as the root."""
    with suppress(OSError, ValueError):
        own = (root / "proc/self/cgroup").read_text().rpartition("::")[2].strip().lstrip("/")
        group = root / "sys/fs/cgroup" / own
        limit = int((group / "pids.max").read_text())
        used = int((group / "pids.current").read_text())
        return limit - used, f"control group: {limit}", "raise pids.max (docker: --pids-limit)"
    return None
