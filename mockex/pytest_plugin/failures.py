"""What is told beside a failed test: with what it ran, how to see it again, and what happened at
its exchanges.

It becomes part of the failure itself, not a section of the report beside it: so it is in the
terminal, in JUnit's XML, in pages that other plug-ins make, and comes over from workers.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from _pytest._code.code import ExceptionRepr  # pytest names it nowhere else

from mockex.errors import MockexError
from mockex.pytest_plugin.fixtures import OPENED
from mockex.pytest_plugin.options import MARKER, OPTIONS, flags, journal_dir

if TYPE_CHECKING:
    from mockex.server.journal import AnyEntry

_MOST_LINES = 30
_LONGEST_NAME = 120  # of a file, without what makes it another than all others


def explain(item: pytest.Item, report: pytest.TestReport) -> None:
    """Tell it with the failure that `report` is about."""
    text = "\n".join(_lines(item))
    failure = report.longrepr
    if isinstance(failure, ExceptionRepr):
        failure.addsection(MARKER, text)
    else:  # a failure that is only a text
        report.longrepr = f"{failure or ''}\n{f' {MARKER} ':-^79}\n{text}"


def _lines(item: pytest.Item) -> list[str]:
    exchanges = item.stash.get(OPENED, [])
    again = shlex.join(["pytest", item.nodeid, *flags(item)])
    lines = [f"mockex: {item.stash[OPTIONS]}", f"again: {again}"]
    for number, exchange in enumerate(exchanges, 1):
        which = f"exchange {number} of {len(exchanges)}" if len(exchanges) > 1 else "the exchange"
        try:
            entries = exchange.journal.entries
        except MockexError as error:  # one that runs elsewhere, and has gone
            lines.append(f"what happened at {which} is not known: {error}")
            continue
        lines += _happened(entries, f"{which} ({exchange.ws_url})")
        if (folder := journal_dir(item.config)) is not None:
            file = folder / _file_name(item.nodeid, number)
            lines.append(f"its whole journal: {_written(file, entries)}")
    return lines


def _happened(entries: list[AnyEntry], which: str) -> list[str]:
    from mockex.pytest_plugin.telling import happened

    lines = happened(entries)
    if not lines:
        return [f"nobody came to {which}"]
    left_out = len(lines) - _MOST_LINES
    some = f", the last {_MOST_LINES} of {len(lines)} lines" if left_out > 0 else ""
    return [f"what happened at {which}, by seconds{some}:", *lines[-_MOST_LINES:]]


def _file_name(nodeid: str, number: int) -> str:
    """A name that every file system takes and no two tests share."""
    plain = re.sub(r"[^\w.-]+", "-", nodeid.replace("::", "-"))[-_LONGEST_NAME:].strip("-")
    mark = hashlib.sha256(nodeid.encode()).hexdigest()[:8]
    return f"{plain}-{mark}" + (f"-{number}" if number > 1 else "") + ".jsonl"


def _written(file: Path, entries: list[AnyEntry]) -> str:
    """Write a journal; where it is, or why it is nowhere."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))
    except OSError as error:
        return f"not written: {error}"
    return str(file)
