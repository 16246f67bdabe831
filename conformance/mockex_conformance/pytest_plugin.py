"""The suite as a pytest plug-in: `pytest --mockex-testee testee.toml`.

Nothing of the suite is imported until a testee is named: the plug-in is loaded with every pytest.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mockex_conformance.collecting.settings import Settings, add_settings, descriptions

if TYPE_CHECKING:
    from mockex_conformance.collecting.recorder import Recorder
    from mockex_conformance.report.outcome import Outcome

VERDICT = "mockex_verdict"  # of a report: it comes over from workers


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the settings."""
    add_settings(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Collect the testees that were named, and what they need."""
    found = descriptions(config)
    if not found:
        return
    named = {Path(arg.partition("::")[0]).resolve() for arg in config.args}
    config.args += [str(file) for file in found if file not in named]
    config.pluginmanager.register(Testees(config, found), "mockex-testees")


class Testees:
    """The hooks of a session with testees."""

    def __init__(self, config: pytest.Config, files: list[Path]) -> None:
        from mockex_conformance.case import all_cases, group_of
        from mockex_conformance.collecting.items import RUNS, SETTINGS
        from mockex_conformance.collecting.runs import Runs

        self._config = config
        self._files = files
        self._settings = Settings.of(config)
        self._is_worker = hasattr(config, "workerinput")
        self._runs = Runs(self._settings, one_by_one=self._is_worker)
        self._recorder: Recorder | None = None
        self._result: Outcome | None = None
        config.stash[SETTINGS], config.stash[RUNS] = self._settings, self._runs
        groups = dict.fromkeys(group_of(case.number).lower() for case in all_cases().values())
        for name in (*groups, "must", "should", "may", "level0", "level1", "level2"):
            config.addinivalue_line("markers", f"{name}: cases of mockex that are of this kind")
        config.addinivalue_line("markers", "alone: cases of mockex that measure, by themselves")

    def pytest_report_header(self) -> str:
        """What is judged, and how."""
        settings = self._settings
        here = self._config.invocation_params.dir
        names = ", ".join(os.path.relpath(file, here) for file in self._files)
        return (
            f"mockex testees: {names}; seed {settings.seed}, ground {settings.ground},"
            f" record in {settings.out}"
        )

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> Any:
        """A `testee.toml` that was named."""
        from mockex_conformance.collecting.items import TesteeFile

        if file_path.resolve() not in self._files:
            return None
        # Of a file outside of the root pytest's own id is empty, and could not be asked for again.
        where = Path(os.path.relpath(file_path, self._config.rootpath)).as_posix()
        return TesteeFile.from_parent(parent, path=file_path, nodeid=where)

    def pytest_sessionstart(self) -> None:
        """Begin the record, in the process that hears of all reports."""
        from mockex.errors import ConfigError
        from mockex_conformance.collecting.recorder import Recorder
        from mockex_conformance.harness.load import find_all

        if self._is_worker or self._config.getoption("collectonly"):
            return
        try:
            testees = find_all([str(file) for file in self._files])
            arguments = map(str, self._config.invocation_params.args)
            self._recorder = Recorder(self._settings, testees, ["pytest", *arguments])
        except ConfigError as error:
            raise pytest.UsageError(f"mockex: {error}") from None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Now it is known which cases are wanted."""
        from mockex_conformance.collecting.items import CaseItem

        self._runs.plan([item.job for item in session.items if isinstance(item, CaseItem)])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send the verdict along with the report."""
        import msgspec

        from mockex_conformance.collecting.items import CaseItem

        report = yield
        if isinstance(item, CaseItem) and item.verdict is not None and call.when == "setup":
            setattr(report, VERDICT, msgspec.to_builtins(item.verdict))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a verdict."""
        import msgspec

        from mockex_conformance.verdict import CaseVerdict

        given = getattr(report, VERDICT, None)
        if given is not None and self._recorder is not None:
            self._recorder.add(msgspec.convert(given, CaseVerdict))

    @pytest.hookimpl(trylast=True)  # workers of pytest-xdist are gone then
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """End what still runs, and the record. A testee of which nothing could be judged has passed
        nothing, although skipped tests fail nobody."""
        self._runs.close()
        if self._recorder is None:
            return
        interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
        self._result = self._recorder.finish(interrupted=interrupted)
        unjudged = self._result is not None and self._result.unjudged
        if unjudged and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """What it amounts to, and where it is recorded."""
        if self._result is None:
            return
        from mockex_conformance.report.text import counted

        write = terminalreporter.write_line
        terminalreporter.section("mockex", "-")
        write(f"{counted(self._result.counts)}; page {self._settings.out / 'report.html'}")
        for testee in _skipped(self._result):
            write(f"nothing could be judged of {testee}: that is no success", red=True)


def _skipped(result: Outcome) -> Iterable[str]:
    """Testees of which nothing is known."""
    return dict.fromkeys(v.testee for v in result.unjudged if v.verdict == "UNSUPPORTED")
