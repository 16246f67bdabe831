"""Badges: what they say of which run, and that they are whole files."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pytest

from mockex_conformance.report.badge import Badge, badge, endpoint, svg

from .conftest import MakeVerdict
from .told import told


@pytest.mark.parametrize(
    ("kinds", "lacks", "message", "colour"),
    [
        (["PASS", "PASS", "UNSUPPORTED"], "", "2 passed", "brightgreen"),
        (["PASS", "FAIL", "ERROR"], "", "1 failed, 1 passed", "red"),
        (["PASS", "ERROR"], "", "1 not judged, 1 passed", "orange"),
        (["PASS"], "It was ended", "incomplete", "orange"),
        (["FAIL"], "It was ended", "1 failed, 0 passed", "red"),
        ([], "", "nothing judged", "lightgrey"),
    ],
)
def test_a_badge_is_green_only_for_a_whole_run_that_passed(
    make_verdict: MakeVerdict, kinds: list[str], lacks: str, message: str, colour: str
) -> None:
    verdicts = [make_verdict(kind, reason="why") for kind in kinds]
    assert badge(told(verdicts, lacks=lacks)) == Badge("mockex", message, colour)


def test_an_endpoint_has_what_shields_reads_and_red_cannot_be_painted_over() -> None:
    assert json.loads(endpoint(Badge("mine", "1 failed, 2 passed", "red"))) == {
        "schemaVersion": 1,
        "label": "mine",
        "message": "1 failed, 2 passed",
        "color": "red",
        "isError": True,
    }
    assert json.loads(endpoint(Badge("mine", "2 passed", "brightgreen")))["isError"] is False


def test_a_picture_needs_nothing_from_elsewhere_and_reads_itself_out() -> None:
    made = svg(Badge('<b>"me"</b> & co', "97 passed", "brightgreen"))
    root = ET.fromstring(made)
    assert root.get("aria-label") == '<b>"me"</b> & co: 97 passed'
    assert [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")] == [
        '<b>"me"</b> & co',
        "97 passed",
    ]
    addresses = re.findall(r"https?://[^\"]+|href", made)
    assert addresses == ["http://www.w3.org/2000/svg"], "the name of the format alone"


def test_a_picture_is_as_wide_as_its_words() -> None:
    def width(label: str, message: str) -> int:
        return int(ET.fromstring(svg(Badge(label, message, "red"))).get("width", ""))

    assert width("", "97 passed") < width("mockex", "97 passed") < width("mockex", "197 passed")
