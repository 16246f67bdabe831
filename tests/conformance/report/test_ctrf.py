"""CTRF: what its schema demands, and what a reader takes from it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from mockex_conformance.description import Description, Expect
from mockex_conformance.report.ctrf import ctrf, document
from mockex_conformance.verdict import CaseVerdict, Severity

from .conftest import SENTENCE, MakeVerdict
from .told import STARTED_MS, first_line, told

_TEXT: dict[str, Any] = {"type": "string"}
_WHOLE: dict[str, Any] = {"type": "integer"}
_OPEN: dict[str, Any] = {"type": "object"}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_STATUSES = ["passed", "failed", "skipped", "pending", "other"]


def closed(required: str, **members: Any) -> dict[str, Any]:
    """An object that has these members and no others."""
    return {"type": "object", "required": required.split(), "properties": members,
            "additionalProperties": False}  # fmt: skip


# The rules of CTRF's ctrf.schema.json (specification 0.0.0) for the members that we write, in words
# of our own: every object is closed but `extra` and `parameters`.
SCHEMA = closed(
    "results reportFormat specVersion",
    reportFormat={"const": "CTRF"},
    specVersion=_TEXT | {"pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$"},
    reportId=_TEXT | {"format": "uuid"},
    generatedBy=_TEXT,
    results=closed(
        "tool summary tests",
        tool=closed("name", name=_TEXT | {"minLength": 1}, version=_TEXT),
        summary=closed(
            "tests passed failed skipped pending other start stop",
            **dict.fromkeys((*_STATUSES, "tests", "flaky", "suites"), _WHOLE),
            **dict.fromkeys(("start", "stop", "duration"), _WHOLE),
        ),
        tests={
            "type": "array",
            "items": closed(
                "name status duration",
                name=_TEXT | {"minLength": 1},
                status={"enum": _STATUSES},
                duration=_WHOLE,
                suite=_TEXTS | {"minItems": 1},
                message=_TEXT,
                trace=_TEXT,
                rawStatus=_TEXT,
                tags=_TEXTS,
                type=_TEXT,
                flaky={"type": "boolean"},
                attachments={
                    "type": "array",
                    "items": closed("name contentType path", name=_TEXT, contentType=_TEXT,
                                    path=_TEXT),
                },
                parameters=_OPEN,
                extra=_OPEN,
            ),
        },
        environment=closed(
            "", osPlatform=_TEXT, osRelease=_TEXT, healthy={"type": "boolean"}, extra=_OPEN
        ),
    ),
)  # fmt: skip


def results(verdicts: list[CaseVerdict], *testees: Description, lacks: str = "") -> Any:
    """`results` of a document that is valid."""
    run = first_line(*testees)
    made = json.loads(document(told(verdicts, run, lacks=lacks)))
    jsonschema.validate(made, SCHEMA, format_checker=jsonschema.FormatChecker())
    return made["results"]


def test_each_verdict_has_the_status_that_it_counts_for(make_verdict: MakeVerdict) -> None:
    known = Description(
        name="orderly",
        command=["x"],
        expect=[Expect(case="HB-03", verdict="FAIL", reason="no time yet")],
    )
    made = results(
        [
            make_verdict("PASS"),
            make_verdict("FAIL"),
            make_verdict("FAIL", severity=Severity.SHOULD),
            make_verdict("FAIL", number="HB-03"),
            make_verdict("FLAKY", reason="differs between repetitions"),
            make_verdict("UNSUPPORTED", reason="declare level = 2"),
            make_verdict("INCONCLUSIVE", reason="Reset was not seen"),
            make_verdict("ERROR", reason="the worker died"),
        ],
        known,
    )
    assert [test["status"] for test in made["tests"]] == [
        "passed", "failed", "skipped", "skipped", "failed", "skipped", "other", "other",
    ]  # fmt: skip
    assert [test["rawStatus"] for test in made["tests"]][-2:] == ["INCONCLUSIVE", "ERROR"]
    counts = {"tests": 8, "passed": 1, "failed": 2, "skipped": 3, "other": 2, "flaky": 1}
    assert made["summary"].items() >= counts.items()
    assert made["environment"]["healthy"] is False


def test_a_failure_carries_its_cause_and_how_it_is_run_again(make_verdict: MakeVerdict) -> None:
    made = results([make_verdict("FAIL", journal="journal/x.jsonl")])
    (test,) = made["tests"]
    assert test["message"] == SENTENCE
    assert "Reset on c4" in test["trace"]
    assert test["extra"]["replay"].startswith("mockex conform orderly --case CONN-01")
    assert test["attachments"][0]["path"] == "journal/x.jsonl"
    assert test["suite"] == ["orderly", "usdm"]


def test_a_run_begins_and_ends_in_unix_milliseconds(make_verdict: MakeVerdict) -> None:
    summary = results([make_verdict(duration_s=0.0015)])["summary"]
    assert summary["start"] == STARTED_MS
    assert summary["stop"] == STARTED_MS + 12_500
    assert summary["duration"] == 12_500


def test_a_run_that_is_not_whole_has_a_failed_test_that_says_so(make_verdict: MakeVerdict) -> None:
    made = results([make_verdict()], lacks="The run was ended before its last case")
    assert made["tests"][-1]["status"] == "failed"
    assert made["tests"][-1]["message"] == "The run was ended before its last case"
    assert made["environment"]["healthy"] is False


def test_the_same_run_has_the_same_document_and_another_run_another_id(
    make_verdict: MakeVerdict,
) -> None:
    one, again = (told([make_verdict()], first_line(seed=7)) for _ in range(2))
    other = told([make_verdict()], first_line(seed=8))
    assert ctrf(one) == ctrf(again)
    assert ctrf(one)["reportId"] != ctrf(other)["reportId"]


def test_the_schema_refuses_a_member_that_ctrf_does_not_know(make_verdict: MakeVerdict) -> None:
    made = ctrf(told([make_verdict()]))
    made["results"]["tests"][0]["verdict"] = "PASS"
    with pytest.raises(jsonschema.ValidationError, match="verdict"):
        jsonschema.validate(made, SCHEMA)
