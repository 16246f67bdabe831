"""The record of a run: `run.jsonl`, one JSON object a line, written as things happen.

First a `run` line that says who judged what, with which seed, on which machine; then a `verdict`
line for each case, testee and profile, handed to the operating system at once; last an `end` line.
A killed run lacks the last one and is readable all the same. A run that is gone on with says so by
a `resumed` line between its verdicts.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec

from mockex.cli import ExitCode, writing
from mockex.clock import wall_clock_ms
from mockex.errors import ConfigError, MockexError
from mockex_conformance.report.lines import EndLine, Line, ResumedLine, RunLine
from mockex_conformance.verdict import CaseVerdict

RECORD = "run.jsonl"
_OF_A_RUN = (RECORD, "junit.xml", "report.html", "demo.json")
_FOLDERS = ("journal", "stderr")


_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # surrogates, but those that are bytes

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Line)


def prepare(out: Path) -> None:
    """Make `out` the folder of a new run. What an earlier run left in it is removed, because
    journals are appended to and old ones would be mixed with new.

    Raises:
        ConfigError: `out` is a file, holds a `journal` or `stderr` that is not of a run, or a run
            is going on in it.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError("--out", str(out), "a folder")
    if (out / RECORD).exists():
        with (out / RECORD).open("rb") as file:
            _lock(file, out)
    else:
        for name in _FOLDERS:
            if (out / name).exists():
                raise ConfigError(
                    "--out", str(out), f"a folder without a {name!r} that is not of a run of ours"
                )
    clear(out)
    for name in _OF_A_RUN:
        (out / name).unlink(missing_ok=True)


def clear(out: Path, *, but: Collection[str] = ()) -> None:
    """Remove recordings and what testees said, except the files named, relative to `out`."""
    for name in _FOLDERS:
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            if file.is_file() and f"{name}/{file.name}" not in but:
                file.unlink()


def _lock(file: IO[bytes], out: Path) -> None:
    """Whoever writes a record holds it locked, and so do the workers, who die with their parent.

    Raises:
        ConfigError: somebody does.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError("DIR", str(out), "a folder in which no run is going on") from None


class RecordWriter:
    """Writes `run.jsonl`. Each line has reached the operating system when its call returns.

    As a context manager it closes the file; `end` is called by whoever knows how it ended.
    """

    def __init__(self, path: Path, first: RunLine | ResumedLine, *, size: int = 0) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)
        try:
            _lock(self._file, path.parent)
        except ConfigError:
            self._file.close()
            raise
        self._file.truncate(size)  # of what stays
        self._write(first)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, verdict: CaseVerdict) -> None:
        """Write one verdict."""
        self._write(verdict)

    def end(self, line: EndLine) -> None:
        """Write the last line."""
        self._write(line)

    def _write(self, line: Line) -> None:
        data = _encoded(line) + b"\n"
        with writing(self._path):
            while data:  # a disk that is nearly full takes a part
                data = data[self._file.write(data) :]


def _encoded(line: Line) -> bytes:
    """A line as JSON. Names of files that are no text have a sign for what is none, so that a run
    does not end by how it was started."""
    try:
        return _encoder.encode(line)
    except UnicodeEncodeError:
        return _encoder.encode(_as_text(msgspec.to_builtins(line)))


def _as_text(value: Any) -> Any:
    match value:
        case str():
            # What stands for a byte becomes that byte: in a locale without UTF-8 it was text.
            text = _NO_BYTE.sub("?", value)
            return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        case list():
            return [_as_text(one) for one in value]
        case dict():
            return {_as_text(key): _as_text(one) for key, one in value.items()}
    return value


class NoRecord(MockexError):
    """A file or folder that should be the record of a run is none."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(f"{path} is no record of a run: {why}")


class Unlike(MockexError):
    """Verdicts cannot stand in one record; says of which records, and in what they differ."""

    def __init__(self, what: str, differences: list[str]) -> None:
        self.differences = differences
        super().__init__(f"{what}: " + "; ".join(differences))


@dataclass(frozen=True, slots=True)
class Record:
    """A record, read back. `end` is None if the run was killed; `lines` are the bytes of the
    verdicts, without the newline; `size` is where the next line would begin, `end` left out."""

    folder: Path
    run: RunLine
    verdicts: list[CaseVerdict] = field(default_factory=list)
    end: EndLine | None = None
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    spent_s: float = 0.0  # what it has taken so far, as far as that is known

    @property
    def complete(self) -> bool:
        """Whether the run came to its end."""
        return self.end is not None and self.end.exit_code != ExitCode.INTERRUPTED


def read_record(path: Path) -> Record:
    """Read `run.jsonl`, or that of the folder `path`. A last line that was cut is left out.

    Raises:
        NoRecord: there is none, or a line other than a cut last one cannot be read; names the line.
    """
    file = path / RECORD if path.is_dir() else path
    if not file.exists():
        raise NoRecord(path, "there is no run.jsonl")
    texts = file.read_bytes().split(b"\n")
    first: RunLine | None = None
    end: EndLine | None = None
    began_ms, before_s = 0, 0.0  # of the last sitting
    verdicts: list[CaseVerdict] = []
    lines: list[bytes] = []
    size = 0
    for number, text in enumerate(texts, 1):
        if not text or number == len(texts):  # no newline behind the last: it was cut by a kill
            continue
        try:
            line: Line = _decoder.decode(text)
        except msgspec.DecodeError as error:
            raise NoRecord(file, f"line {number}: {error}") from None
        match line:
            case EndLine():
                end = line
                continue
            case RunLine():
                first, began_ms = line, line.started_ms
            case ResumedLine():
                began_ms, before_s = line.at_ms, line.spent_s
            case CaseVerdict():
                verdicts.append(line)
                lines.append(text)
        size += len(text) + 1
    if first is None:
        raise NoRecord(file, "it has no line of type 'run'")
    spent_s = end.duration_s if end else before_s + max(0.0, _last_s(file) - began_ms / 1000)
    return Record(file.parent, first, verdicts, end, lines, size, spent_s)


def _last_s(record: Path) -> float:
    """When something was last written, in Unix time: recordings are, all the time."""
    files = [record, *(record.parent / "journal").glob("*.jsonl")]
    return max(file.stat().st_mtime for file in files)


def go_on(record: Record) -> RecordWriter:
    """Write on in a record that is not complete; an end that says so is taken away.

    Raises:
        ConfigError: the run is still going on.
    """
    line = ResumedLine(at_ms=wall_clock_ms(), spent_s=record.spent_s)
    return RecordWriter(record.folder / RECORD, line, size=record.size)
