"""The suite's commands (entry points of `mockex.commands`), a module for each group of them.

stdout is the result, stderr shows progress. Nothing here decides anything about a testee: cases
are run by the harness, judged by checks, weighed by `report.outcome`.

A command is imported when it is first asked for, so that one does not wait for what others need.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockex_conformance.cli.authoring import init, schema, try_
    from mockex_conformance.cli.catalogue import cases
    from mockex_conformance.cli.demonstrating import demo
    from mockex_conformance.cli.judging import conform, judge
    from mockex_conformance.cli.reporting import report
    from mockex_conformance.cli.searching import explore, replay
else:
    _MODULES = {
        "authoring": ("init", "schema", "try_"),
        "catalogue": ("cases",),
        "demonstrating": ("demo",),
        "judging": ("conform", "judge"),
        "reporting": ("report",),
        "searching": ("explore", "replay"),
    }
    _WHERE = {name: module for module, names in _MODULES.items() for name in names}

    def __getattr__(name):
        """A command at its first use (PEP 562)."""
        if name not in _WHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


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
