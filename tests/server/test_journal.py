"""The journal's file: what the disk does not take."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockex.server.journal import Journal, Lagged


def test_a_full_disk_ends_the_file_not_the_journal() -> None:
    journal = Journal(Path("/dev/full"))
    journal.append(Lagged(t=1.0, late_s=0.5))
    assert journal.failed is None, "what is buffered has not met the disk"
    journal.flush()
    assert isinstance(journal.failed, OSError)
    journal.append(Lagged(t=2.0, late_s=0.5))
    journal.flush()
    assert [entry.t for entry in journal.entries] == [1.0, 2.0]
    with pytest.raises(OSError, match="No space left") as failed:
        journal.close()
    assert failed.value.filename == "/dev/full"


def test_what_is_written_at_the_close_meets_the_disk_too(tmp_path: Path) -> None:
    journal = Journal(Path("/dev/full"))
    journal.append(Lagged(t=1.0, late_s=0.5))
    with pytest.raises(OSError, match="No space left"):
        journal.close()
    journal = Journal(tmp_path / "j.jsonl")
    journal.append(Lagged(t=1.0, late_s=0.5))
    journal.close()
    assert (tmp_path / "j.jsonl").read_text().count("\n") == 1
