"""Deliveries over time: from journal to step function to SVG."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from mockex.server.journal import AnyEntry, Ended, Noted
from mockex_conformance.report.figures.deliveries import deliveries_over_time, describe, svg
from mockex_conformance.report.figures.plot import nice_ticks
from tests.conformance.report.conftest import STREAM


def test_a_leak_is_a_staircase(leaky_journal: list[AnyEntry]) -> None:
    steps = deliveries_over_time(leaky_journal, STREAM, "bug")
    assert steps.most == steps.last == 3
    assert [count for _, count in steps.points] == [1, 0, 1, 2, 0, 1, 2, 3]
    assert [at for at, _ in steps.points] == pytest.approx([0, 2, 2.25, 2.35, 4, 4.25, 4.35, 4.45])
    assert steps.marks == ((2.0, "Reset"), (4.0, "Reset"))
    assert steps.until_s == 5.0


def test_the_end_of_the_testee_is_not_part_of_the_chart(leaky_journal: list[AnyEntry]) -> None:
    leaky_journal += [
        Noted(t=106.0, name="body-over"),
        *(Ended(t=106.5, conn=conn, by="client", how="fin") for conn in (4, 5, 6)),
    ]
    steps = deliveries_over_time(leaky_journal, STREAM, "bug")
    assert (steps.last, steps.until_s) == (3, 6.0)


def test_another_stream_is_not_counted(leaky_journal: list[AnyEntry]) -> None:
    assert deliveries_over_time(leaky_journal, "btcusdc@trade", "bug").most == 0


def test_an_empty_journal_gives_an_empty_chart() -> None:
    steps = deliveries_over_time([], STREAM, "nothing")
    assert ET.fromstring(svg(steps)).get("class") == "fig"
    assert (steps.most, steps.last) == (0, 0)


def test_the_picture_is_well_formed_and_says_what_it_shows(
    leaky_journal: list[AnyEntry],
) -> None:
    steps = deliveries_over_time(leaky_journal, STREAM, 'bug <of> "Go" & co')
    picture = ET.fromstring(svg(steps, most=6, until_s=10))
    assert picture.get("aria-label") == describe(steps)
    assert "at most 3, 3 at the end; 2 × Reset" in describe(steps)
    labels = {element.text for element in picture.iter("text")}
    assert {"seconds", "live deliveries", "6", "10"} <= labels
    (heads,) = picture.findall("path[@class='head']")
    assert heads.get("d", "").count("M") == 2


@pytest.mark.parametrize(
    ("most", "ticks"), [(6, [0, 1, 2, 3, 4, 5, 6]), (25, [0, 5, 10, 15, 20, 25]), (0, [0, 1])]
)
def test_ticks_are_round_numbers_that_reach_the_top(most: float, ticks: list[float]) -> None:
    assert nice_ticks(most) == ticks
