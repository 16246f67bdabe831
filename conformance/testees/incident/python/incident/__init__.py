"""The market-data part of the bot of the incident, as it was and with each proposed fix.

`ws_real` is the inner loop, `adapter` the flag and all differences between the variants, `runner`
the outer loop. `program` only talks to the suite.
"""

from incident.program import main

__all__ = ["main"]
