"""A run as JUnit XML: what every CI system reads, by the schema of Jenkins' xUnit plugin (10).

A suite for each testee; `classname` is testee and profile, `name` the case's id. A failure is what
makes the run fail: a failed SHOULD without `--strict` and a known failure are skipped, with the
findings in `system-out`. A run that is not whole has one error more, which says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from mockex_conformance.report import text
from mockex_conformance.report.lines import RunLine
from mockex_conformance.report.outcome import Outcome, expectation
from mockex_conformance.report.settling import column
from mockex_conformance.verdict import CaseVerdict, Verdict

# XML 1.0, section 2.2: what is no Char cannot be written, not even as a reference.
_NO_CHAR = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# CI systems keep these files in memory and show them on pages; all findings are in run.jsonl.
_MESSAGE_CHARS, _BODY_CHARS = 500, 6000


def write_junit(path: Path, run: RunLine, result: Outcome, lacks: str = "") -> None:
    """Write `path`. `lacks` says why the run is no whole one."""
    path.write_bytes(document(run, result, lacks))


def document(run: RunLine, result: Outcome, lacks: str = "") -> bytes:
    """The file's content, in UTF-8."""
    root = junit(run, result, lacks)
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def junit(run: RunLine, result: Outcome, lacks: str = "") -> ET.Element:
    """The document."""
    root = ET.Element("testsuites", name="mockex conform")
    for testee in dict.fromkeys(v.testee for v in result.verdicts):
        of_it = [v for v in result.verdicts if v.testee == testee]
        _suite(root, testee, of_it, run, result)
    if lacks:
        suite = ET.SubElement(root, "testsuite", name="mockex conform")
        case = ET.SubElement(suite, "testcase", classname="mockex", name="run/complete", time="0")
        _child(case, "error", lacks, "INCOMPLETE")
        _count([case], suite)
    _count(list(root.iter("testcase")), root)
    del root.attrib["skipped"]  # the schema has it for suites only
    return root


def _suite(
    root: ET.Element, testee: str, verdicts: Sequence[CaseVerdict], run: RunLine, result: Outcome
) -> None:
    started = datetime.fromtimestamp(run.started_ms / 1000, UTC)
    suite = ET.SubElement(root, "testsuite", name=_clean(testee))
    suite.set("timestamp", started.strftime("%Y-%m-%dT%H:%M:%S"))
    properties = ET.SubElement(suite, "properties")
    facts = {"seed": str(run.seed), "strict": str(run.strict).lower(), **run.versions}
    for claim in run.testees:
        if claim.name == testee:
            facts |= {"testee version": claim.version, "level": str(claim.level)}
    facts["ground"] = " and ".join(sorted({v.ground for v in verdicts}))
    if run.shard:
        facts["shard"] = run.shard
    if line := text.lines(verdicts):
        facts["link"] = line
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=name, value=_clean(value))
    several = len({v.mode for v in verdicts}) > 1
    cases = [_case(suite, verdict, run, result, several=several) for verdict in verdicts]
    _count(cases, suite)


def _case(
    suite: ET.Element, verdict: CaseVerdict, run: RunLine, result: Outcome, *, several: bool
) -> ET.Element:
    """One verdict; `several` modes are told apart, because two cases of one name are one to CI."""
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_clean(".".join([*column(verdict), *([verdict.mode] if several else [])])),
        name=_clean(verdict.case),
        time=f"{verdict.duration_s:.3f}",
    )
    said = text.block(verdict)
    message = verdict.findings[0].message if verdict.findings else verdict.reason
    aside = ""
    expect = expectation(verdict, run.testees)
    if any(verdict is v for v in result.failed):
        _child(case, "failure", message, str(verdict.severity), said)
    elif any(verdict is v for v in result.mended) and expect is not None:
        message = (
            f"{expect.verdict} was expected and it passed: take the [[expect]] out of testee.toml"
        )
        _child(case, "failure", message, "expectation", expect.reason)
    elif any(verdict is v for v in result.known) and expect is not None:
        _child(case, "skipped", f"known {verdict.verdict}: {expect.reason}")
        aside = said
    elif verdict.verdict in (Verdict.ERROR, Verdict.INCONCLUSIVE):
        _child(case, "error", message, str(verdict.verdict), said)
    elif verdict.verdict is Verdict.UNSUPPORTED:
        _child(case, "skipped", message)
    elif verdict.verdict is not Verdict.PASS:
        _child(case, "skipped", f"{verdict.verdict} of a {verdict.severity}: not counted")
        aside = said
    elif verdict.notes:
        aside = said
    if verdict.verdict not in (Verdict.PASS, Verdict.UNSUPPORTED) and not (
        aside and verdict.findings  # which have it all beside them
    ):
        rows = [*text.where(verdict), ("stderr", verdict.stderr)]
        lines = [f"{name:<8}{value}" for name, value in rows if value]
        aside = "\n".join([aside, *lines] if aside else lines)
    if aside:
        ET.SubElement(case, "system-out").text = _short(aside, _BODY_CHARS)
    return case


def _child(case: ET.Element, tag: str, message: str, kind: str = "", body: str = "") -> None:
    child = ET.SubElement(case, tag, message=_short(message, _MESSAGE_CHARS))
    if kind:
        child.set("type", kind)
    if body:
        child.text = _short(body, _BODY_CHARS)


def _count(cases: Sequence[ET.Element], into: ET.Element) -> None:
    into.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        into.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    into.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _short(value: str, most: int) -> str:
    """`value` as XML can hold it, its end left out if it is longer."""
    value = _clean(value)
    return value if len(value) <= most else f"{value[:most]}… ({len(value)} characters)"


def _clean(value: str) -> str:
    return _NO_CHAR.sub("\ufffd", value)
