"""What stands in a drawing: read as XML, so whatever is looked at is well-formed."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from mockex_conformance.verdict import CaseVerdict, Finding, Level, Severity, Verdict


class Drawing:
    """An SVG element: its words, and what its paths are made of, by class."""

    def __init__(self, svg: str) -> None:
        self.root = ET.fromstring(svg)
        self.texts = [element.text or "" for element in self.root.iter("text")]

    def paths(self, css: str) -> list[str]:
        """Each stroke of the paths of a class."""
        whole = "".join(p.get("d", "") for p in self.root.iter("path") if p.get("class") == css)
        return [f"M{part}" for part in whole.split("M")[1:]]

    def begins(self, css: str) -> list[tuple[int, int]]:
        """Where each stroke begins."""
        found = [re.match(r"M(-?\d+) (-?\d+)", path) for path in self.paths(css)]
        return [(int(m[1]), int(m[2])) for m in found if m is not None]

    def row_of(self, label: str) -> int:
        """The middle of the row with that label."""
        (text,) = [e for e in self.root.iter("text") if e.text == label]
        return int(text.get("y", "0")) - 4

    def where(self, word: str) -> int:
        """The x of a word."""
        (text,) = [e for e in self.root.iter("text") if e.text == word]
        return int(text.get("x", "0"))


def judged(*findings: Finding, number: str = "CONN-01") -> CaseVerdict:
    """A verdict with these findings."""
    return CaseVerdict(
        testee="t", case="x/y", number=number, profile="usdm",
        verdict=Verdict.FAIL if findings else Verdict.PASS, severity=Severity.MUST,
        level=Level.L0, duration_s=1.0, seed=7, requirement="r", findings=list(findings),
    )  # fmt: skip


def found(check: str, at_s: float, **evidence: object) -> Finding:
    """A finding of a check."""
    return Finding(check=check, message=f"{check} is not right", at_s=at_s, evidence=evidence)
