"""The suite's commands (entry points of `mockex.commands`), a module for each group of them.

stdout is the result, stderr shows progress. Nothing here decides anything about a testee: cases
are run by the harness, judged by checks, weighed by `report.outcome`.
"""

from mockex_conformance.cli.authoring import init, schema, try_
from mockex_conformance.cli.catalogue import cases
from mockex_conformance.cli.demonstrating import demo
from mockex_conformance.cli.judging import conform, judge
from mockex_conformance.cli.reporting import report
from mockex_conformance.cli.searching import explore, replay

__all__ = [
    "cases",
    "conform",
    "demo",
    "explore",
    "init",
    "judge",
    "replay",
    "report",
    "schema",
    "try_",
]
