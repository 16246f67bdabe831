"""All checks, in the order in which they are told."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Collection, Sequence

from mockex.doctor import limits, network, places, programs, python, timing, toxiproxy
from mockex.doctor.answer import Diagnosis
from mockex.doctor.variables import variables
from mockex.faults.provisioning.program import home_cache


def examine(of_flags: Callable[[], Collection[str]], ports: Sequence[int] = ()) -> Diagnosis:
    """Look at everything once; half a second, and a few more where a program hangs. `of_flags`
    gives the variables of all commands, `ports` are those that somebody wants to serve at."""
    watched = timing.watched()  # first: what we start ourselves is no load to complain of
    return Diagnosis(
        mockex=python.our_version() or "unknown",
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        answers=(
            python.interpreter(),
            python.installation(),
            *python.packages(),
            toxiproxy.toxiproxy(),
            *programs.programs(),
            limits.open_files(),
            limits.processes(),
            network.loopback(),
            network.localhost(),
            *map(network.port, ports),
            network.ports(),
            *watched,
            places.temp_folder(),
            places.cache_folder(home_cache()),
            places.terminal(),
            variables(os.environ, of_flags),
        ),
    )
