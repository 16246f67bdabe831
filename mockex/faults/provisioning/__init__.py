"""Where the Toxiproxy server comes from: one that runs, a program that is here, one that we build.

`find` looks and changes nothing; `provision` also builds, and is called by people and by
`ci/run.py`, never by a run. The order, and what is trusted, is in docs/toxiproxy.md.

The standard library alone: `ci/run.py` uses these modules before anything is installed.
"""

from mockex.faults.provisioning.finding import Found, How, Missing, at, find, provision
from mockex.faults.provisioning.program import VERSION

__all__ = ["VERSION", "Found", "How", "Missing", "at", "find", "provision"]
