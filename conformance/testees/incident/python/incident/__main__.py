import sys

from incident.program import main
from mockex_conformance.shim import run_entry

sys.exit(run_entry(main))
