"""What every test starts from."""

from __future__ import annotations

import signal

import httpcore2  # noqa: F401 - see below
from hypothesis import HealthCheck, settings

# A shell without job control starts what is in its background with SIGINT ignored, and so would be
# every program that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long a draw takes says something of the machine, and nothing of what is tested.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")

# httpx2 imports httpcore2 when it first asks for something, and remembers its errors. Where that is
# inside of a test of pytester, which forgets the modules that came with it, the next one to import
# it gets others, and an error is not known any more.
