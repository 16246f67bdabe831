"""What goes with a bug report: one ZIP file, without secrets."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mockex.doctor.scrubbing import REMOVED, Scrubber, names_a_secret
from mockex.errors import ConfigError

RECORD = "run.jsonl"
CONTENTS = "CONTENTS.txt"
_MOST_RECORD = 2_000_000  # bytes
_MOST_FILE = 200_000
_MOST_CASES = 20


@dataclass(slots=True)
class Bundle:
    """Texts by their name in the archive, and notes on what is not in it."""

    scrubber: Scrubber
    members: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def add(self, name: str, text: str) -> None:
        """Put a text in, without its secrets. The name is scrubbed, too."""
        self.members[self.scrubber.text(name)] = self.scrubber.lines(text)

    def add_environment(self, environ: Mapping[str, str]) -> None:
        """Our variables, and of them no value that looks like a secret."""
        lines = [
            f"{name}={REMOVED if names_a_secret(name) else value}"
            for name, value in sorted(environ.items())
            if name.startswith("MOCKEX_")
        ]
        self.add("environment.txt", "".join(f"{line}\n" for line in lines))

    def add_run(self, folder: Path) -> None:
        """The record of a run, and recording and stderr of what did not pass.

        Raises:
            ConfigError: there is no record.
        """
        record = folder / RECORD
        if not record.is_file():
            raise ConfigError("--run", str(folder), f"a folder with a {RECORD}, as --out names one")
        self._add_file(record, f"run/{RECORD}", _MOST_RECORD)
        wanted = _not_passed(record)
        for number, (journal, stderr) in enumerate(wanted):
            for name in filter(None, (journal, stderr)):
                if number >= _MOST_CASES:
                    self.left_out.append(f"run/{name}: {_MOST_CASES} cases are in")
                elif not _lies_in(folder, name):
                    self.left_out.append(f"run/{name}: is not in that folder")
                else:
                    self._add_file(folder / name, f"run/{name}", _MOST_FILE)

    def _add_file(self, path: Path, name: str, most: int) -> None:
        try:
            text, cut = _begin_and_end(path, most)
        except OSError as error:
            self.left_out.append(f"{name}: {error.strerror}")
            return
        if cut:
            self.left_out.append(f"{name}: {cut} bytes in the middle")
        if text:
            self.add(name, text)

    def contents(self) -> str:
        """What is in it and what is not."""
        sizes = [f"{len(_bytes(text)):>10,}  {name}" for name, text in self.members.items()]
        return "\n".join(
            [
                "     bytes  file",
                *sizes,
                *(["", "Not in it:"] if self.left_out else []),
                *(self.scrubber.text(f"  {line}") for line in self.left_out),
                "",
                f"{self.scrubber.removed} values that look like secrets are replaced by {REMOVED}; "
                "the home folder is written ~.",
            ]
        )

    def write(self, file: Path) -> str:
        """Write the archive; returns its contents in words. What cannot be written whole is not
        left behind.

        Raises:
            ConfigError: the file is there already.
            OSError: it cannot be written.
        """
        if file.exists():
            raise ConfigError("--bundle", str(file), "a file that is not there yet")
        contents = self.contents()
        try:
            with zipfile.ZipFile(file, "x", zipfile.ZIP_DEFLATED) as archive:
                for name, text in {CONTENTS: contents + "\n", **self.members}.items():
                    archive.writestr(name, _bytes(text))
        except FileExistsError:  # another one was made meanwhile, and stays
            raise ConfigError("--bundle", str(file), "a file that is not there yet") from None
        except OSError as error:
            with suppress(OSError):
                file.unlink()
            raise OSError(error.errno, error.strerror, str(file)) from None
        return contents


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # JSON can name half a character


def _not_passed(record: Path) -> list[tuple[str, str]]:
    """Recording and stderr of each verdict that is not PASS, relative to the run's folder."""
    found = []
    with record.open("rb") as file:
        for line in file:
            with suppress(ValueError):  # a run that was killed may have half a line
                entry = json.loads(line)
                if not isinstance(entry, dict) or entry.get("type") != "verdict":
                    continue
                if entry.get("verdict") not in ("PASS", "UNSUPPORTED"):
                    found.append((str(entry.get("journal", "")), str(entry.get("stderr", ""))))
    return list(dict.fromkeys(found))


def _lies_in(folder: Path, name: str) -> bool:
    """Whether a name out of a record leads to a file of its folder, and not somewhere else."""
    return (folder / name).resolve().is_relative_to(folder.resolve()) and not os.path.isabs(name)


def _begin_and_end(path: Path, most: int) -> tuple[str, int]:
    """A text of at most `most` bytes, whole lines from the beginning and the end, and how many
    bytes between them are left out. Half a line may be half a secret, which is none to look at."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= most:
            return file.read(most).decode("utf-8", "replace"), 0
        first = file.read(most // 2)
        first = first[: first.rfind(b"\n") + 1]
        file.seek(size - most // 2)
        last = file.read(most // 2)
        last = last[last.find(b"\n") + 1 :] if b"\n" in last else b""
    return (first + last).decode("utf-8", "replace"), size - len(first) - len(last)
