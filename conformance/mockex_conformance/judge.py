"""A recording and its case into a verdict: the one code path, live and years later."""

from __future__ import annotations

import msgspec

from mockex.server.journal import AnyEntry, Noted
from mockex_conformance.case import Case
from mockex_conformance.checks import Alive, AnyCheck, LiveAtEnd, NoStorm, Recovered
from mockex_conformance.recording import Recording, Standstills
from mockex_conformance.verdict import Finding, Verdict, decide


def judge(recording: Recording, case: Case) -> tuple[Verdict, list[Finding], str]:
    """The verdict, its findings in the order of time, and the reason if it is neither PASS nor
    FAIL. A dead or silent testee passes nothing: every case ends with `alive`, and unless it ends
    in a shutdown with `recovered` (catalogue, 6.6); nor does one whose connections multiply."""
    outcome = recording.outcome
    ended, reason = outcome.get("ended", "cut"), outcome.get("reason", "")
    if ended == "error":
        return Verdict.ERROR, [], reason
    if ended == "unsupported":
        return Verdict.UNSUPPORTED, [], reason
    # What the harness does to end the testee is not the testee's doing.
    body = Recording(_until_body_over(recording.entries), recording.terms, outcome)
    checks = msgspec.convert(outcome.get("checks", []), list[AnyCheck])
    checks += [
        usual
        for usual in (Alive(), Recovered(), NoStorm())
        if not any(isinstance(check, type(usual)) for check in checks)
    ]
    if not case.ends_dead:
        checks.append(LiveAtEnd())
    findings, excused = _weighed(checks, body)
    if ended == "not-live" and not findings and not excused:
        findings = [
            Finding(
                check="recovered",
                message=f"waited in vain for {reason}",
                at_s=round(body.entries[-1].t - body.began, 3),
                fault=body.fault_before(body.entries[-1].t),
            )
        ]
    if ended == "flooded":  # it was killed for it, and has not died
        findings = [found for found in findings if found.check != "alive"]
        if not findings:
            return Verdict.ERROR, [], reason
    findings.sort(key=lambda found: found.at_s)
    inconclusive = {
        "unseen": reason,
        "cut": "the recording has no outcome: the run was ended before",
        "found": "a check that was judged live found what judging the recording does not",
        "gone": reason,
    }.get(ended, "") or excused
    if not inconclusive:
        inconclusive = next((why for check in checks if (why := check.unmet(body))), "")
    return (
        decide(findings, inconclusive=inconclusive),
        findings,
        inconclusive if not findings else "",
    )


def _weighed(checks: list[AnyCheck], body: Recording) -> tuple[list[Finding], str]:
    """What was found and counts, and the first that does not because our own exchange stood still,
    in words."""
    findings, excused, standstills = list[Finding](), "", Standstills(body.entries)
    for check in checks:
        for found in check.judge(body):
            still_s = check.excused(body, found, standstills)
            if not still_s:
                findings.append(found)
            elif not excused:
                excused = (
                    f"{found.message}; but our own exchange had stood still for {still_s:.1f} s: "
                    "run it again with fewer `--jobs`, or on a machine that has less to do"
                )
    return findings, excused


def _until_body_over(entries: list[AnyEntry]) -> list[AnyEntry]:
    for index, entry in enumerate(entries):
        if isinstance(entry, Noted) and entry.name == "body-over":
            return entries[: index + 1]
    return entries
