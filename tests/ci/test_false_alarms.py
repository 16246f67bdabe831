"""The driver that looks for false alarms: it tells each one so that it can be replayed."""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def driver() -> ModuleType:
    spec = importlib.util.spec_from_file_location("false_alarms", ROOT / "ci" / "false_alarms.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments(out: Path, testee: str, *more: str) -> list[str]:
    """Two cases on one profile in virtual time: a moment each."""
    return [testee, "--ground", "virtual", "--case", "HB-01", "--case", "HB-03",
            "--profile", "usdm", "--seed", "5", "--out", str(out), *more]  # fmt: skip


def test_what_fails_is_told_with_its_seed_and_the_command_that_replays_it(
    driver: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert driver.main(arguments(tmp_path, "deaf", "--runs", "1")) == 1
    told = capsys.readouterr().out
    (folder,) = tmp_path.iterdir()
    seed = folder.name.partition("-")[2]
    assert "1 runs, --seed 5, 0 cores busy" in told
    assert f"seed {seed}: " in told
    assert "FAIL deaf · usdm · HB-03 heartbeat/silence-is-detected" in told
    replay = f"mockex conform deaf --case HB-03 --profile usdm --seed {seed} --ground virtual"
    assert replay in told
    assert "1 times deaf HB-03" in told
    kept = {file.name for file in (folder / "journal").iterdir() if "PROBE" not in file.name}
    assert kept == {"deaf-usdm-HB-03.jsonl"}


def test_runs_have_seeds_of_their_own_and_are_green_if_nothing_fails(
    driver: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert driver.main(arguments(tmp_path, "reference", "--runs", "2")) == 0
    assert len({folder.name.partition("-")[2] for folder in tmp_path.iterdir()}) == 2
    assert "0 false alarms in 2 runs" in capsys.readouterr().out


def test_a_run_that_cannot_be_ends_it(driver: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="conform ended with 4"):
        driver.main(arguments(tmp_path, "nobody", "--runs", "1"))


def test_cores_are_kept_busy_and_left_alone_afterwards(driver: ModuleType) -> None:
    me = psutil.Process(os.getpid())
    before = set(me.children())
    with driver.busy(2):
        burners = set(me.children()) - before
        assert len(burners) == 2
    assert set(me.children()) & burners == set()
