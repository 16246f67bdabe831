"""docs/writing-a-shim.md says what the suite's own types say."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from mockex_conformance.errors import ProtocolBroken
from mockex_conformance.harness import protocol
from mockex_conformance.harness.messages import NOTIFICATIONS, REQUESTS, RESULTS, Done

PAGE = (Path(__file__).parents[2] / "docs" / "writing-a-shim.md").read_text()


def rows(heading: str) -> dict[str, list[str]]:
    """The table below a heading: its other cells by the first."""
    table = PAGE.split(f"### {heading}\n")[1].strip().split("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n")]
    return {first.strip("|` "): rest for first, *rest in cells[2:]}


def members(kind: type[msgspec.Struct]) -> list[str]:
    return [f.name if f.required else f"{f.name}?" for f in msgspec.structs.fields(kind)]


def test_the_table_of_what_a_testee_says_has_every_message_and_member() -> None:
    written = {
        name: re.findall(r"`([\w?]+)`", cells[0]) for name, cells in rows("What it says").items()
    }
    assert written == {name: members(kind) for name, kind in NOTIFICATIONS.items()}


def test_the_table_of_what_it_is_told_has_every_request_and_member() -> None:
    table = rows("What it is told")
    written = {name: re.findall(r"`([\w?]+)`", cells[0]) for name, cells in table.items()}
    assert written == {name: members(kind) for name, kind in REQUESTS.items()}
    for name, cells in table.items():
        if RESULTS[name] is Done:
            assert cells[1] == "`{}`"
    assert cells_of(table["status"][1]) == members(RESULTS["status"])


def cells_of(text: str) -> list[str]:
    return text.strip("`{}").split(", ")


def test_the_complaint_that_the_page_shows_is_ours() -> None:
    shown = PAGE.split("```text\n")[1].split("\n```")[0]
    line = shown.splitlines()[1].removeprefix("  line: ")
    with pytest.raises(ProtocolBroken) as error:
        protocol.read(line.encode())
    assert str(error.value) == shown
