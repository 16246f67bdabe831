"""What is published about a case is its docstring, whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockex_conformance.case import Case, Run, all_cases
from mockex_conformance.explaining import LABELS, explain, page, terms
from mockex_conformance.verdict import Level, Severity

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cases.md"


async def _labelled(_run: Run) -> None:
    """A lost connection
    is replaced by one.

    It is reset.

    A second one
    fails the case.

    Evidence: owner/na.me#12, the page
    of the exchange.
    Causes: two owners.
    Look at: `attempted` entries;
    Causes of others are no label here.
    """


async def _bare(_run: Run) -> None:
    """Nothing but a rule."""


def case_of(body: object, **more: object) -> Case:
    facts: dict[str, object] = {
        "id": "connection/x", "number": "CONN-01", "severity": Severity.MUST, "level": Level.L1,
        "body": body, "requirement": "",
    }  # fmt: skip
    return Case(**(facts | more))  # type: ignore[arg-type]


def test_a_docstring_is_taken_apart() -> None:
    told = explain(case_of(_labelled))
    assert told.rule == "A lost connection is replaced by one."
    assert told.stimulus == ["It is reset.", "A second one fails the case."]
    assert told.labelled == {
        "Evidence": "owner/na.me#12, the page of the exchange.",
        "Causes": "two owners.",
        "Look at": "`attempted` entries; Causes of others are no label here.",
    }


def test_what_is_not_said_is_left_out() -> None:
    told = explain(case_of(_bare))
    assert (told.rule, told.stimulus, told.labelled) == ("Nothing but a rule.", [], {})


def test_the_terms_of_a_case_are_told() -> None:
    assert terms(case_of(_bare)) == ["MUST", "level 1", "spot and usdm"]
    special = case_of(
        _bare, profiles=("spot",), alone=True, least_scale=0.5, real_only="threads of it"
    )
    assert terms(special)[2:] == [
        "spot", "runs alone", "scale 0.5 or more", "real ground only (threads of it)",
    ]  # fmt: skip


def test_the_page_links_issues_and_groups_cases() -> None:
    text = page([case_of(_labelled), case_of(_bare, number="NEW-01", id="new/y")])
    assert "## CONN: who owns the connection\n\n### CONN-01 `connection/x`\n" in text
    assert "**A lost connection is replaced by one.** MUST, level 1, spot and usdm.\n" in text
    assert "- **Evidence**: [owner/na.me#12](https://github.com/owner/na.me/issues/12)," in text
    assert "\n## NEW\n\n### NEW-01 `new/y`\n" in text


@pytest.mark.parametrize("case", all_cases().values(), ids=lambda case: case.number)
def test_every_case_says_what_it_does_its_evidence_causes_and_where_to_look(case: Case) -> None:
    told = explain(case)
    assert told.rule
    assert told.stimulus
    assert tuple(told.labelled) == LABELS
    assert all(told.labelled.values())


def test_docs_cases_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(all_cases().values()), (
        "run: mockex cases markdown > docs/cases.md"
    )
