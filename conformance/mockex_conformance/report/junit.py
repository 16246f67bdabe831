"""A run as JUnit XML: what every CI system reads.

A suite for each testee; `classname` is testee and profile, `name` the case's id. A failure is what
makes the run fail: a failed SHOULD without `--strict` and a known failure are skipped, with the
findings in `system-out`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from mockex_conformance.report import text
from mockex_conformance.report.lines import RunLine
from mockex_conformance.report.outcome import Outcome, expectation
from mockex_conformance.report.settling import column
from mockex_conformance.verdict import CaseVerdict, Verdict

# XML 1.0, section 2.2: what is no Char cannot be written, not even as a reference.
_NO_CHAR = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, run: RunLine, result: Outcome) -> None:
    """Write `path`."""
    ET.ElementTree(junit(run, result)).write(path, encoding="utf-8", xml_declaration=True)


def junit(run: RunLine, result: Outcome) -> ET.Element:
    """The document."""
    root = ET.Element("testsuites", name="mockex conform")
    suites = []
    for testee in dict.fromkeys(v.testee for v in result.verdicts):
        of_it = [v for v in result.verdicts if v.testee == testee]
        suites.append(_suite(root, testee, of_it, run, result))
    _count([case for suite in suites for case in suite.iter("testcase")], root)
    return root


def _suite(
    root: ET.Element, testee: str, verdicts: Sequence[CaseVerdict], run: RunLine, result: Outcome
) -> ET.Element:
    suite = ET.SubElement(root, "testsuite", name=testee)
    properties = ET.SubElement(suite, "properties")
    facts = {"seed": str(run.seed), "strict": str(run.strict).lower(), **run.versions}
    for claim in run.testees:
        if claim.name == testee:
            facts |= {"testee version": claim.version, "level": str(claim.level)}
    facts["ground"] = " and ".join(sorted({v.ground for v in verdicts}))
    if line := text.lines(verdicts):
        facts["link"] = line
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=name, value=_clean(value))
    cases = [_case(suite, verdict, run, result) for verdict in verdicts]
    _count(cases, suite)
    return suite


def _case(suite: ET.Element, verdict: CaseVerdict, run: RunLine, result: Outcome) -> ET.Element:
    testee, profile = column(verdict)
    case = ET.SubElement(
        suite,
        "testcase",
        classname=f"{testee}.{profile}",
        name=verdict.case,
        time=f"{verdict.duration_s:.3f}",
    )
    said = _clean(text.block(verdict))
    message = _clean(verdict.findings[0].message if verdict.findings else verdict.reason)
    expect = expectation(verdict, run.testees)
    if any(verdict is v for v in result.failed):
        _child(case, "failure", message, str(verdict.severity), said)
    elif any(verdict is v for v in result.mended) and expect is not None:
        _child(
            case,
            "failure",
            f"{expect.verdict} was expected and it passed: take the [[expect]] out of testee.toml",
            "expectation",
            _clean(expect.reason),
        )
    elif any(verdict is v for v in result.known) and expect is not None:
        _child(case, "skipped", _clean(f"known {verdict.verdict}: {expect.reason}"))
        ET.SubElement(case, "system-out").text = said
    elif verdict.verdict in (Verdict.ERROR, Verdict.INCONCLUSIVE):
        _child(case, "error", message, str(verdict.verdict), said)
    elif verdict.verdict is Verdict.UNSUPPORTED:
        _child(case, "skipped", message)
    elif verdict.verdict is not Verdict.PASS:
        _child(case, "skipped", f"{verdict.verdict} of a {verdict.severity}: not counted")
        ET.SubElement(case, "system-out").text = said
    elif verdict.notes:
        ET.SubElement(case, "system-out").text = said
    return case


def _child(case: ET.Element, tag: str, message: str, kind: str = "", body: str = "") -> None:
    child = ET.SubElement(case, tag, message=message)
    if kind:
        child.set("type", kind)
    if body:
        child.text = body


def _count(cases: Sequence[ET.Element], into: ET.Element) -> None:
    into.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        into.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    into.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _clean(value: str) -> str:
    return _NO_CHAR.sub("\ufffd", value)
