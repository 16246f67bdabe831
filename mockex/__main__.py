"""`python -m mockex` and the console script: the command line, which takes a moment to import."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run it. A Ctrl-C while it is imported ends as one while it runs."""
    try:
        from mockex.cli import main as run
    except KeyboardInterrupt:
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
