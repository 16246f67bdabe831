"""The summary of a run: at most 40 lines, and nothing that a testee says is markup."""

from __future__ import annotations

import html
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mockex_conformance.description import Description, Expect
from mockex_conformance.report.markdown import MOST_LINES, annotate, code, plain, summary
from mockex_conformance.verdict import CaseVerdict, Finding, Severity

from .conftest import SENTENCE, MakeVerdict
from .told import first_line, told

GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NASTY = (
    "`a` | **b** <script>x</script> [c](http://d) ~~e~~ ![f](g) </details>\n\n# h & &amp; \x1b[31m"
)
VERDICTS = ("FAIL", "FAIL", "FLAKY", "ERROR", "INCONCLUSIVE", "UNSUPPORTED")


def rendered(written: str) -> str:
    page: str = GITHUB.render(written)
    return page


def shown(written: str) -> str:
    """What a reader sees of a rendered line of text."""
    return html.unescape(re.sub(r"<[^>]*>", "", GITHUB.renderInline(written)))


def lines(written: str) -> list[str]:
    assert written.endswith("\n")
    return written[:-1].split("\n")


def test_the_sentence_comes_first_and_the_cause_with_its_replay(make_verdict: MakeVerdict) -> None:
    written = summary(told([make_verdict("FAIL"), make_verdict(number="HB-01", case="a/b")]))
    assert lines(written)[0] == "### mockex: 1 PASS, 1 FAIL. 1 required failed."
    page = rendered(written)
    assert f"CONN-01 connection/one-delivery-after-reset: {SENTENCE}" in page
    replay = "mockex conform orderly --case CONN-01 --profile usdm --seed 7"
    assert f"<code>{replay}</code>" in page


def test_the_matrix_counts_verdicts_by_group_in_the_order_of_the_catalogue(
    make_verdict: MakeVerdict,
) -> None:
    written = summary(
        told(
            [
                make_verdict("FAIL", number="HB-02", case="heartbeat/a"),
                make_verdict("PASS", number="CONN-01"),
                make_verdict("PASS", number="CONN-02", case="connection/b"),
                make_verdict("UNSUPPORTED", number="CONN-03", case="connection/c"),
                make_verdict("PASS", number="CONN-01", profile="spot"),
            ]
        )
    )
    assert lines(written)[2:6] == [
        "| | CONN | HB |",
        "|---|---|---|",
        "| orderly · usdm | 1 –, 2 ✓ | **1 ✗** |",
        "| orderly · spot | 1 ✓ |   |",
    ]
    assert "✓ PASS · ✗ FAIL · – UNSUPPORTED" in written


def test_one_thing_on_two_profiles_is_told_once(make_verdict: MakeVerdict) -> None:
    written = summary(told([make_verdict("FAIL"), make_verdict("FAIL", profile="spot")]))
    assert written.count("- **FAIL**") == 1
    assert "orderly · usdm, spot · CONN-01" in written


def test_a_testee_that_fails_everything_for_one_reason_is_told_once(
    make_verdict: MakeVerdict,
) -> None:
    numbers = [f"HB-{n:02}" for n in range(1, 21)]
    verdicts = [make_verdict("FAIL", number=number, case=number.lower()) for number in numbers]
    made = told(verdicts)
    written = summary(made)
    assert written.count("- **FAIL**") == 1
    assert f"orderly · usdm · {' '.join(numbers[:12])} and 8 more: stream" in written
    assert len(annotate(made)) == 1


def test_a_failure_that_does_not_count_is_folded_away_with_its_cause(
    make_verdict: MakeVerdict,
) -> None:
    written = summary(told([make_verdict("FAIL", severity=Severity.SHOULD)]))
    before, _, folded = written.partition("<details>")
    assert "**FAIL**" not in before
    assert f"<li>FAIL orderly (CONN-01): {SENTENCE}</li>" in folded


def test_what_is_mended_and_what_could_not_be_judged_stand_beside_failures(
    make_verdict: MakeVerdict,
) -> None:
    testee = Description(
        name="orderly",
        command=["x"],
        expect=[Expect(case="CONN-01", verdict="FAIL", reason="no time yet")],
    )
    died = make_verdict("ERROR", number="HB-01", case="a/b", reason="it died")
    verdicts = [make_verdict("PASS"), died]
    written = summary(told(verdicts, first_line(testee)))
    assert "- **unexpected PASS** orderly" in written
    assert shown("FAIL was expected (no time yet): take the [[expect]] out") in rendered(written)
    assert "- **ERROR** orderly · usdm · HB-01 a/b: it died" in written


def test_a_run_that_is_not_whole_says_so_in_its_first_line(make_verdict: MakeVerdict) -> None:
    written = summary(told([make_verdict()], lacks="It was ended: mockex conform --resume out"))
    assert lines(written)[0].endswith("1 PASS so far. It was ended: mockex conform --resume out")


def many(make_verdict: MakeVerdict) -> list[CaseVerdict]:
    """Ten testees that fail nearly everything, each with a lot to say."""

    def findings(where: str) -> list[Finding]:
        return [Finding(check="x", message=f"{where} {NASTY} {'y' * 2000}", at_s=1.0)] * 3

    groups = ("CONN", "SUB", "RECON", "HB", "ROLL", "DATA", "FUZZ", "RES", "SLOW", "CLOSE", "CTRL")
    return [
        make_verdict(
            kind, testee=f"testee{number}", number=f"{group}-{case:02}", case=f"{group}/{case}",
            findings=findings(f"{group} {case}"), reason=NASTY,
        )
        for number in range(10)
        for group in groups
        for case, kind in enumerate(VERDICTS)
    ]  # fmt: skip


def test_of_ten_testees_that_fail_everything_it_is_still_forty_lines_and_no_more_than_a_page(
    make_verdict: MakeVerdict,
) -> None:
    written = summary(told(many(make_verdict)))
    assert len(lines(written)) == MOST_LINES == 40
    assert len(written) < 100_000, "of 1 MiB that a job summary may have"
    assert "and 542 more" in written


def test_what_is_folded_is_one_block_of_html(make_verdict: MakeVerdict) -> None:
    page = rendered(summary(told(many(make_verdict)[:20])))
    assert page.count("<details>") == page.count("</details>") == 1
    inside = page.partition("<details>")[2].partition("</details>")[0]
    assert "<script" not in inside
    assert "&lt;script&gt;" in inside


@pytest.mark.parametrize("where", ["testee", "message", "reason", "replay", "expected", "fault"])
def test_nothing_that_a_testee_says_is_markup(make_verdict: MakeVerdict, where: str) -> None:
    finding = Finding(
        check="x",
        message=NASTY if where == "message" else "m",
        at_s=1.0,
        fault=NASTY if where == "fault" else "Reset on c1",
    )
    verdicts = [
        make_verdict("FAIL", findings=[finding]),
        make_verdict("ERROR", reason="why", number="HB-01", case="a/b"),
        make_verdict("UNSUPPORTED", reason="why", number="HB-02", case="a/c"),
    ]
    if where in ("testee", "reason", "replay", "expected"):
        verdicts = [msgspec.structs.replace(v, **{where: NASTY}) for v in verdicts]
    page = rendered(summary(told(verdicts)))
    for tag in ("<script", "<a ", "<img", "<s>", "<h1", "\x1b"):
        assert tag not in page
    cells = [row.count("<td") for row in re.findall("<tr>.*?</tr>", page.replace("\n", ""))]
    assert set(cells[1 : 1 + cells.count(3)]) == {3}, "a pipe made no cell of its own"


@given(st.text(max_size=60))
def test_plain_text_is_shown_as_it_is(said: str) -> None:
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    if line[:1] not in "+-0123456789=>":  # means something at the beginning of a line only
        assert shown("x" + plain(said)) == "x" + line


@given(st.text(alphabet="`ab |\\<", max_size=20).filter(str.strip))
def test_code_is_shown_as_it_is(said: str) -> None:
    line = " ".join(said.split())
    (token,) = GITHUB.parseInline(code(said))[0].children or []
    assert (token.type, token.content) == ("code_inline", line)


def test_annotations_are_ten_workflow_commands_at_most(make_verdict: MakeVerdict) -> None:
    said = annotate(told(many(make_verdict)))
    assert len(said) == 10
    assert all(line.startswith("::error title=") and "\n" not in line for line in said)
    assert said[-1] == "::error title=mockex::and 541 more"


def test_an_annotation_escapes_what_would_end_it(make_verdict: MakeVerdict) -> None:
    finding = Finding(check="x", message="100 % of a::b,\nc", at_s=1.0)
    verdict = make_verdict("FAIL", testee="my::testee,1", findings=[finding], replay="again")
    assert annotate(told([verdict])) == [
        "::error title=my%3A%3Atestee%2C1 · usdm · CONN-01 connection/one-delivery-after-reset FAIL"
        "::100 %25 of a::b,%0Ac%0Areplay: again"
    ]


def test_a_run_that_is_not_whole_is_annotated_even_if_all_passed(make_verdict: MakeVerdict) -> None:
    assert annotate(told([make_verdict()])) == []
    assert annotate(told([make_verdict()], lacks="It was ended")) == [
        "::error title=mockex::It was ended"
    ]
