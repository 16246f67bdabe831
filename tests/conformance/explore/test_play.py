"""Schedules played: the right adapter survives them, wrong ones do not, and all is as before."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockex.errors import ConfigError
from mockex.faults import Reset
from mockex_conformance.description import Description
from mockex_conformance.explore import Step, play
from mockex_conformance.explore.search import kind_of, states_in
from mockex_conformance.harness.load import find
from mockex_conformance.rejudging import judge_again
from mockex_conformance.verdict import CaseVerdict, Verdict

ROUGH = [
    Step(500, "Reset", {"all": True}),
    Step(1_000, "stall", {"ms": 3_000}),
    Step(0, "reconnect"),
    Step(5_000, "hold", {"ms": 2_000, "direction": "upstream"}),
    Step(0, "subscribe", {"streams": ["btcusdc@aggTrade"]}),
    Step(0, "Outage", {"how": "refuse", "ms": 2_000}),
    Step(1_000, "close"),
    Step(10, "start"),
    Step(3_000, "Latency", {"delay_ms": 300, "direction": "downstream"}),
]


def test_the_incident_falls_to_one_reset() -> None:
    verdict = play("incident-python-bug", profile="usdm", seed=7, steps=[Step(0, "Reset")])
    assert verdict.verdict is Verdict.FAIL
    assert kind_of(verdict) == "deliveries_at_most"
    assert "is delivered on 2 live connections" in verdict.findings[0].message


@pytest.mark.parametrize("profile", ["spot", "usdm"])
def test_the_reference_survives_a_rough_minute(profile: str) -> None:
    verdict = play("reference", profile=profile, seed=7, steps=ROUGH)
    assert (verdict.verdict, verdict.findings) == (Verdict.PASS, [])
    assert verdict.duration_s > 25


def test_a_backlog_in_a_handover_is_not_presented_twice() -> None:
    """Found by exploring: 20 old ids in a row were taken for a numbering that had started over."""
    steps = [
        Step(10_000, "stall", {"ms": 3_000}),
        Step(0, "reconnect"),
        Step(5_000, "hold", {"ms": 3_000}),
    ]
    verdict = play("reference", profile="spot", seed=1, step_ms=100, steps=steps)
    assert (verdict.verdict, verdict.findings) == (Verdict.PASS, [])


def test_a_peer_that_is_gone_without_a_word_is_noticed_or_found_missing() -> None:
    steps = [Step(0, "silence")]
    assert play("reference", profile="usdm", seed=7, steps=steps).verdict is Verdict.PASS
    verdict = play("incident-python-fix3", profile="usdm", seed=7, steps=steps)
    assert verdict.findings[0].message.startswith("not recovered: no events of")


def test_a_closed_testee_must_stay_closed() -> None:
    steps = [Step(500, "close"), Step(100, "Reset")]
    assert play("reference", profile="usdm", seed=7, steps=steps).verdict is Verdict.PASS


def test_the_recording_is_kept_and_judged_again_the_same(tmp_path: Path) -> None:
    verdict = play(
        "incident-python-bug", profile="spot", seed=7, steps=[Step(0, "Reset")], out=tmp_path
    )
    lines = (tmp_path / verdict.journal).read_bytes()
    again = play(
        "incident-python-bug", profile="spot", seed=7, steps=[Step(0, "Reset")], out=tmp_path
    )
    assert again == verdict
    assert (tmp_path / verdict.journal).read_bytes() == lines
    (judged,) = judge_again(tmp_path / verdict.journal).result.verdicts
    assert (judged.verdict, judged.findings) == (verdict.verdict, verdict.findings)


def test_states_of_the_life_cycle_are_told_apart() -> None:
    found: set[str] = set()

    def look(recording: object) -> None:
        found.update(states_in(recording))  # type: ignore[arg-type]

    play("reference", profile="spot", seed=7, steps=[Step(500, "Reset")], look=look)
    assert {"connecting, 1 dialling, 0 up", "live, 0 dialling, 1 up"} <= found


def test_a_testee_without_an_entry_is_refused() -> None:
    bare = Description(name="bare", command=["true"])
    with pytest.raises(ConfigError, match="no `entry`"):
        play(bare, profile="spot", seed=7, steps=[])


def test_the_kind_of_a_failure_is_its_first_check() -> None:
    (reference,) = find("reference")
    assert reference.entry
    verdict = play(reference, profile="spot", seed=7, steps=[])
    assert isinstance(verdict, CaseVerdict)
    assert kind_of(verdict) == "pass"
    assert Step(0, "Reset").fault() == Reset()
