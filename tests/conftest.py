"""What every test starts from."""

from __future__ import annotations

import signal

# A shell without job control starts what is in its background with SIGINT ignored, and so would be
# every program that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
