"""Several records into one: what belongs together, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from mockex.errors import ConfigError
from mockex_conformance.description import Description
from mockex_conformance.merging import merge
from mockex_conformance.report.lines import EndLine, RunLine, run_line
from mockex_conformance.report.record import RecordWriter, Unlike, read_record
from mockex_conformance.running import Finished
from mockex_conformance.verdict import CaseVerdict, Finding, Level, Severity, Verdict

CASES = ["CONN-01", "HB-01"]
ORDERLY = Description(name="orderly", command=["x"])


def verdict(number: str = "CONN-01", **changes: object) -> CaseVerdict:
    facts: dict[str, object] = {
        "testee": "orderly", "case": f"some/{number.lower()}", "number": number, "profile": "usdm",
        "verdict": Verdict.PASS, "severity": Severity.MUST, "level": Level.L0, "duration_s": 1.0,
        "seed": 7, "requirement": "A rule.",
    }  # fmt: skip
    return CaseVerdict(**(facts | changes))  # type: ignore[arg-type]


def record(
    folder: Path,
    *verdicts: CaseVerdict,
    testee: Description = ORDERLY,
    code: int | None = 0,
    **changes: object,
) -> Path:
    """A record in `folder`; `code` None: it was killed."""
    (folder / "journal").mkdir(parents=True)
    first = run_line(seed=7, command=["mockex"], testees=[testee], cases=CASES, conditions={})
    first = msgspec.structs.replace(first, **changes)
    with RecordWriter(folder / "run.jsonl", first) as writer:
        for one in verdicts:
            writer.add(one)
        if code is not None:
            writer.end(EndLine(exit_code=code, counts={}, duration_s=2.0, processor_s=0.5))
    return folder


def merged(*folders: Path) -> Finished:
    return merge(folders, folders[0].parent / "one", command=["mockex", "report", "merge"])


def header(folder: Path) -> RunLine:
    return read_record(folder).run


def test_the_parts_of_a_run_are_one_record_with_the_same_lines(tmp_path: Path) -> None:
    failed = verdict(
        "HB-01", verdict=Verdict.FAIL, findings=[Finding(check="x", message="no pong", at_s=1.0)]
    )
    parts = [
        record(tmp_path / "b", failed, shard="2/2", code=1),
        record(tmp_path / "a", verdict(), shard="1/2"),
    ]
    finished = merged(*parts)
    assert finished.result.exit_code == 1
    assert [v.number for v in finished.result.verdicts] == CASES, "in the order of the catalogue"
    one = read_record(tmp_path / "one")
    assert one.lines == [line for part in parts for line in read_record(part).lines]
    assert one.complete
    assert (one.run.shard, [source.shard for source in one.run.merged]) == ("", ["2/2", "1/2"])
    assert one.end is not None
    assert (one.end.duration_s, one.end.processor_s) == (4.0, 1.0)


def test_testees_that_were_judged_apart_stand_beside_each_other(tmp_path: Path) -> None:
    other = Description(name="other", command=["y"])
    finished = merged(
        record(tmp_path / "a", verdict()),
        record(tmp_path / "b", verdict(testee="other"), testee=other),
    )
    assert [v.testee for v in finished.result.verdicts] == ["orderly", "other"]
    assert [claim.name for claim in header(tmp_path / "one").testees] == ["orderly", "other"]


def test_repetitions_of_several_parts_are_settled_together(tmp_path: Path) -> None:
    turns = [verdict(), verdict(turn=2, verdict=Verdict.FAIL)]
    finished = merged(
        record(tmp_path / "a", *turns, shard="1/2", repeat=2),
        record(tmp_path / "b", shard="2/2", repeat=2),
    )
    assert [v.verdict for v in finished.result.verdicts] == [Verdict.FLAKY]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 8}, "seed: 7 and 8"),
        ({"strict": True}, "--strict: False and True"),
        ({"repeat": 3}, "--repeat: 1 and 3"),
        ({"versions": {"mockex": "9.9"}}, "version of mockex: 0.1.0 and 9.9"),
        ({"conditions": {"ground": "virtual"}}, "ground: none and virtual"),
        ({"testee": Description(name="orderly", command=["z"])}, "description of orderly: "),
    ],
)
def test_what_does_not_belong_together_is_refused_by_name(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    folders = [
        record(tmp_path / "a", verdict()),
        record(tmp_path / "b", verdict("HB-01"), **changes),  # type: ignore[arg-type]
    ]
    with pytest.raises(Unlike, match=r"a and .*b do not belong together: ") as refused:
        merged(*folders)
    assert said in str(refused.value)
    assert not (tmp_path / "one").exists()


def test_a_verdict_that_is_there_twice_and_differs_is_refused(tmp_path: Path) -> None:
    folders = [
        record(tmp_path / "a", verdict()),
        record(tmp_path / "b", verdict(verdict=Verdict.FAIL)),
    ]
    with pytest.raises(Unlike, match="both judge the same: orderly usdm CONN-01"):
        merged(*folders)


def test_the_same_line_twice_is_one(tmp_path: Path) -> None:
    folders = [
        record(tmp_path / "a", verdict()),
        record(tmp_path / "b", verdict(), verdict("HB-01")),
    ]
    merged(*folders)
    assert [v.number for v in read_record(tmp_path / "one").verdicts] == CASES


@pytest.mark.parametrize("code", [None, 2])
def test_a_run_that_is_not_complete_is_refused_with_what_completes_it(
    tmp_path: Path, code: int | None
) -> None:
    folder = record(tmp_path / "a", verdict(), code=code)
    with pytest.raises(Unlike, match=r"is not complete: .* mockex conform --resume .*a"):
        merged(folder)


@pytest.mark.parametrize(
    ("shards", "said"),
    [
        (["1/3", "3/3"], "a part is missing: 2/3"),
        (["1/2", "2/3"], "not all are parts of"),
        (["", "1/2"], "only some of the records are parts of a divided run: 1/2"),
    ],
)
def test_a_part_that_is_missing_is_named(tmp_path: Path, shards: list[str], said: str) -> None:
    folders = [
        record(tmp_path / f"p{n}", verdict(CASES[n]), shard=shard) for n, shard in enumerate(shards)
    ]
    with pytest.raises(Unlike, match=said):
        merged(*folders)


def test_recordings_come_along_and_none_replaces_another(tmp_path: Path) -> None:
    never = "journal/orderly-usdm-PROBE.jsonl"
    folders = [
        record(tmp_path / "a", verdict(journal=never), shard="1/2"),
        record(tmp_path / "b", verdict("HB-01", journal=never), shard="2/2"),
    ]
    for folder in folders:
        (folder / never).write_text(folder.name)
    merged(*folders)
    one = read_record(tmp_path / "one")
    assert [v.journal for v in one.verdicts] == [never, "journal/orderly-usdm-PROBE-2.jsonl"]
    assert [(one.folder / v.journal).read_text() for v in one.verdicts] == ["a", "b"]


def test_nothing_is_merged_into_one_of_its_parts(tmp_path: Path) -> None:
    folder = record(tmp_path / "a", verdict())
    with pytest.raises(ConfigError, match="a folder of its own"):
        merge([folder], folder, command=[])
    assert len(read_record(folder).verdicts) == 1
