"""Schedules as values: checked, kept, read again, and written as a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mockex.errors import ConfigError
from mockex.faults import Direction, Hold, Reset
from mockex_conformance.explore import Schedule, Step
from mockex_conformance.explore.schedule import read

STEPS = [
    Step(500, "Reset", {"all": True}),
    Step(0, "hold", {"ms": 300, "direction": "upstream", "backlog": "lose"}),
    Step(20, "subscribe", {"streams": ["btcusdc@aggTrade"]}),
]
SCHEDULE = Schedule(testee="reference", profile="usdm", seed=7, steps=STEPS, findings=["odd"])


def test_a_step_makes_the_fault_that_it_names() -> None:
    assert STEPS[0].fault() == Reset(all=True)
    hold = Step(0, "Hold", {"direction": "upstream"}).fault()
    assert hold == Hold(direction=Direction.UPSTREAM)


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ((0, "Rest", {}), "'Rest' is neither a fault nor a command; nearest is 'Reset'"),
        ((-1, "Reset", {}), "after_ms must not be negative"),
        ((0, "Reset", {"al": True}), "Reset: .*al"),
        ((0, "Latency", {"delay_ms": -5}), "delay_ms must be at least 0"),
    ],
)
def test_a_step_that_cannot_be_is_refused(step: tuple[int, str, dict[str, Any]], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Step(*step)


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_bytes(SCHEDULE.to_json())
    assert read(path) == SCHEDULE


def test_the_program_says_the_same(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def play(testee: str, **given: Any) -> Any:
        seen.update(given, testee=testee)
        return type("Verdict", (), {"findings": []})

    text = SCHEDULE.to_program().replace("from mockex_conformance.explore import Step, play\n", "")
    space: dict[str, Any] = {"Step": Step, "play": play}
    exec(text, space)
    space["test_reference_usdm"]()
    assert seen == {
        "testee": "reference", "profile": "usdm", "seed": 7, "step_ms": 500, "steps": STEPS,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": 99}, "version: 99 is not usable, expected version 1 of the format"),
        ({"type": "run"}, "a schedule of `mockex explore`"),
        ({"extra": 1}, "extra"),
        ({"seed": "x"}, "seed"),
        ({"steps": [{"after_ms": 0, "do": "Rest"}]}, "nearest is 'Reset'"),
    ],
)
def test_a_file_that_cannot_be_played_says_why(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    path = tmp_path / "kept.json"
    path.write_text(json.dumps(json.loads(SCHEDULE.to_json()) | change), encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        read(path)


def test_no_file_and_no_json_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ConfigError, match="a schedule of `mockex explore`"):
        read(tmp_path / "bad.json")
