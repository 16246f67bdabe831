"""A run as CTRF, the Common Test Report Format (specification 0.0.0, schema/ctrf.schema.json).

`failed` is what makes the run fail; what could not be judged is `other`, with the verdict in
`rawStatus`; UNSUPPORTED, known failures and failures that do not count are `skipped`. The same
folder gives the same document.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from mockex.cli import ExitCode
from mockex_conformance.report import text
from mockex_conformance.report.later import Told
from mockex_conformance.report.outcome import Outcome
from mockex_conformance.verdict import CaseVerdict, Verdict

_STATUS = {
    Verdict.PASS: "passed",
    Verdict.ERROR: "other",
    Verdict.INCONCLUSIVE: "other",
}


def document(told: Told) -> str:
    """The document as text."""
    return json.dumps(ctrf(told), indent=2, ensure_ascii=False) + "\n"


def ctrf(told: Told) -> dict[str, Any]:
    """The document."""
    run, result = told.run, told.result
    tests = [_test(verdict, result) for verdict in result.verdicts]
    if told.lacks:
        tests.append(
            {"name": "the run is complete", "status": "failed", "duration": 0,
             "message": told.lacks, "suite": ["mockex conform"]}
        )  # fmt: skip
    counts = {
        status: sum(test["status"] == status for test in tests)
        for status in ("passed", "failed", "skipped", "pending", "other")
    }
    duration_ms = round(told.duration_s * 1000)
    summary = {
        "tests": len(tests),
        **counts,
        "flaky": sum("flaky" in test for test in tests),
        "suites": len({test["suite"][0] for test in tests}),
        "start": run.started_ms,
        "stop": run.started_ms + duration_ms,
        "duration": duration_ms,
    }
    identity = f"mockex {run.started_ms} {run.seed} {run.shard} {' '.join(run.command)}"
    return {
        "reportFormat": "CTRF",
        "specVersion": "0.0.0",
        "reportId": str(uuid.uuid5(uuid.NAMESPACE_OID, identity)),
        "generatedBy": "mockex report ctrf",
        "results": {
            "tool": {"name": "mockex", "version": run.versions.get("mockex", "unknown")},
            "summary": summary,
            "tests": tests,
            "environment": {
                "osPlatform": str(run.machine.get("system", "unknown")).lower(),
                "osRelease": str(run.machine.get("release", "unknown")),
                "healthy": result.exit_code is ExitCode.OK and not told.lacks,
                "extra": {
                    "seed": run.seed,
                    "versions": run.versions,
                    "machine": run.machine,
                    "conditions": run.conditions,
                    "command": run.command,
                },
            },
        },
    }


def _test(verdict: CaseVerdict, result: Outcome) -> dict[str, Any]:
    test: dict[str, Any] = {
        "name": f"{verdict.number} {verdict.case}",
        "status": _status(verdict, result),
        "duration": round(verdict.duration_s * 1000),
        "suite": [verdict.testee, verdict.profile],
        "rawStatus": str(verdict.verdict),
        "type": "conformance",
        "tags": [str(verdict.severity), verdict.level.name, verdict.ground],
        "parameters": {"profile": verdict.profile, "mode": verdict.mode, "seed": verdict.seed},
    }
    if verdict.verdict is Verdict.FLAKY:
        test["flaky"] = True
    message = verdict.findings[0].message if verdict.findings else verdict.reason
    if message:
        test["message"] = message
    if verdict.findings:
        test["trace"] = text.block(verdict)
    attachments = [
        {"name": name, "contentType": kind, "path": path}
        for name, kind, path in (
            ("journal", "application/jsonl", verdict.journal),
            ("stderr", "text/plain", verdict.stderr),
        )
        if path
    ]
    if attachments:
        test["attachments"] = attachments
    extra = {"requirement": verdict.requirement, "replay": verdict.replay, "link": verdict.link}
    test["extra"] = {name: value for name, value in extra.items() if value}
    return test


def _status(verdict: CaseVerdict, result: Outcome) -> str:
    if any(verdict is v for v in (*result.failed, *result.mended)):
        return "failed"
    if any(verdict is v for v in result.known):
        return "skipped"
    return _STATUS.get(verdict.verdict, "skipped")
