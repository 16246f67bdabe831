"""`python -m mockex` and the console script: the command line, which takes a moment to import."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run it. A Ctrl-C while it is imported, or at its very end, ends as one while it runs."""
    try:
        from mockex.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(2)


if __name__ == "__main__":
    main()
