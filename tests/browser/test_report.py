"""The page in a browser: it asks for nothing, its filters filter, its links lead."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

pytestmark = pytest.mark.browser

CASES = ("CONN-01", "CONN-02", "SUB-04", "SUB-09", "HB-03", "RECON-07")


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run of two testees, one of which is wrong."""
    out = tmp_path_factory.mktemp("run")
    chosen = [arg for case in CASES for arg in ("--case", case)]
    run = subprocess.run(
        [sys.executable, "-m", "mockex", "conform", "two-owners", "reference", *chosen,
         "--ground", "virtual", "--out", str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1, run.stderr
    return out / "report.html"


class Watched:
    """An open page, and what it asked for and complained of."""

    def __init__(self, page: Page, report: Path) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(report.as_uri())

    def rows(self) -> list[str]:
        """The numbers of the cases that are shown."""
        shown = self.page.locator(".matrix tbody tr:not(.group):visible th")
        return shown.all_text_contents()

    def reset(self) -> None:
        """Show all again: a form tells of its reset before it is done, the page waits."""
        self.page.click("button[type=reset]")
        expect(self.page.locator(".matrix tbody tr[hidden]")).to_have_count(0)

    def articles(self) -> list[str]:
        """The ids of the failures that are shown."""
        return [str(a.get_attribute("id")) for a in self.page.locator("article:visible").all()]


@pytest.fixture
def shown(browser: Browser, report: Path) -> Iterator[Watched]:
    context = browser.new_context()
    yield Watched(context.new_page(), report)
    context.close()


def test_it_asks_for_nothing_but_itself_and_complains_of_nothing(
    shown: Watched, report: Path
) -> None:
    shown.page.emulate_media(color_scheme="dark")
    shown.page.emulate_media(media="print")
    shown.page.wait_for_load_state("networkidle")
    assert [url for url in shown.asked if not url.startswith("data:")] == [report.as_uri()]
    assert shown.complaints == []


def test_filters_leave_what_was_asked_for(shown: Watched) -> None:
    assert set(shown.rows()) == set(CASES)
    everything = shown.articles()
    shown.page.select_option("select[name=group]", "SUB")
    assert shown.rows() == ["SUB-04", "SUB-09"]
    assert shown.articles() == ["SUB-09.1"]
    shown.reset()
    assert set(shown.rows()) == set(CASES)
    assert shown.articles() == everything
    shown.page.select_option("select[name=weight]", "SHOULD")
    assert shown.rows() == ["RECON-07"]
    shown.reset()
    shown.page.select_option("select[name=level]", "L2")
    assert shown.rows() == ["SUB-09"]
    shown.reset()
    shown.page.select_option("select[name=verdict]", "FAIL")
    assert shown.rows() == ["CONN-01", "CONN-02", "SUB-09", "RECON-07"]
    shown.page.select_option("select[name=testee]", "reference")
    assert shown.rows() == []
    assert shown.page.locator(".matrix thead th:visible").count() == 5
    assert shown.page.locator("output").text_content() == (
        f"0 of 6 cases, 0 of {len(everything)} failures shown"
    )


def test_text_finds_cases_rules_and_findings(shown: Watched) -> None:
    for typed, found in (
        ("conn-02", ["CONN-02"]),
        ("stall_detect_ms", ["HB-03"]),
        ("told to wait", ["RECON-07"]),
        ("nothing says this", []),
    ):
        shown.page.fill("input[name=text]", typed)
        assert shown.rows() == found, typed


def test_a_cell_leads_to_its_failure_whatever_is_hidden(shown: Watched) -> None:
    cell = shown.page.locator(".matrix td a[href='#CONN-01.1']").first
    cell.click()
    assert shown.page.locator("article:target strong").first.text_content() == "two-owners"
    assert shown.page.locator("article:target").is_visible()
    shown.page.select_option("select[name=group]", "SUB")
    shown.page.evaluate("location.hash = '#CONN-02.1'")
    shown.page.wait_for_function("document.querySelector('article:target').offsetParent !== null")
    assert set(shown.rows()) == set(CASES)


def test_keys_go_from_cell_to_cell_and_to_the_failure(shown: Watched) -> None:
    page = shown.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator(".matrix td a[href='#CONN-01.1']").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#CONN-02.1"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#CONN-01.1"
    page.keyboard.press("Enter")
    assert page.url.endswith("#CONN-01.1")


def test_a_button_copies_the_command(shown: Watched) -> None:
    shown.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    code = shown.page.locator("article code.copy").first
    button = shown.page.locator("article code.copy + button").first
    said = button.evaluate(  # it says so for a moment only
        """button => new Promise(said => {
            new MutationObserver(() => said(button.textContent)).observe(button, {childList: true});
            button.click();
        })"""
    )
    assert said == "copied"
    assert shown.page.evaluate("navigator.clipboard.readText()") == code.text_content()


def test_where_copying_is_not_allowed_the_command_is_selected(shown: Watched) -> None:
    shown.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
    code = shown.page.locator("article code.copy").first
    selected = shown.page.locator("article code.copy + button").first.evaluate(
        """button => new Promise(selected => {
            document.onselectionchange = () => selected(getSelection().toString());
            button.click();
        })"""
    )
    assert selected == code.text_content()


def test_it_is_whole_without_its_script(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("form").is_hidden()
    assert page.locator(".matrix tbody tr:not(.group):visible").count() == len(CASES)
    page.locator("article summary").first.click()
    assert page.locator("article pre").first.is_visible()
    page.locator(".matrix td a").first.click()
    assert page.locator("article:target").is_visible()
    context.close()


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_it_never_scrolls_sideways_as_a_whole(browser: Browser, report: Path, width: int) -> None:
    context = browser.new_context(viewport=ViewportSize(width=width, height=700))
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    first = page.locator(".matrix td a").first.bounding_box()
    assert first is not None
    assert first["x"] + first["width"] <= width, "the first red cell is in sight"
    context.close()


def test_the_heads_of_the_matrix_stay_in_sight(browser: Browser, report: Path) -> None:
    context = browser.new_context(viewport=ViewportSize(width=360, height=300))
    page = context.new_page()
    page.goto(report.as_uri())
    box = page.locator(".matrix-box")
    box.evaluate("box => { box.scrollTop = 100; box.scrollLeft = 60; }")
    outer = box.bounding_box()
    head = page.locator(".matrix thead th").last.bounding_box()
    corner = page.locator(".matrix thead th").first.bounding_box()
    number = page.locator(".matrix tbody tr:not(.group) th").last.bounding_box()
    assert outer is not None
    assert head is not None
    assert corner is not None
    assert number is not None
    assert abs(head["y"] - outer["y"]) <= 2
    assert abs(corner["x"] - outer["x"]) <= 2
    assert abs(number["x"] - outer["x"]) <= 2
    context.close()


def test_on_paper_there_is_no_form_and_every_cell(shown: Watched) -> None:
    shown.page.emulate_media(media="print")
    assert shown.page.locator("form").is_hidden()
    assert shown.page.locator("article button").first.is_hidden()
    style = shown.page.locator(".matrix-box").evaluate("box => getComputedStyle(box).overflowX")
    assert style == "visible"
    assert shown.page.locator(".legend figure").is_visible()
