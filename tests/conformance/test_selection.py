"""Which cases `--case` and its companions mean."""

from __future__ import annotations

import pytest

from mockex.errors import ConfigError
from mockex_conformance.case import Case, Run
from mockex_conformance.selection import select
from mockex_conformance.verdict import Level, Severity


async def _body(_run: Run) -> None:
    return


def _case(id_: str, number: str, severity: Severity = Severity.MUST, level: int = 0) -> Case:
    return Case(id_, number, severity, Level(level), _body, "A rule.")


CASES = {
    case.id: case
    for case in (
        _case("connection/one-delivery-after-reset", "CONN-01"),
        _case("connection/traffic-stays-flat", "CONN-03"),
        _case("heartbeat/silence-is-detected", "HB-03", Severity.SHOULD),
        _case("shutdown/stays-closed", "CLOSE-02", level=2),
    )
}


@pytest.mark.parametrize(
    ("include", "exclude", "numbers"),
    [
        ([], [], ["CONN-01", "CONN-03", "HB-03", "CLOSE-02"]),
        (["CONN-01"], [], ["CONN-01"]),
        (["conn-01", "hb-*"], [], ["CONN-01", "HB-03"]),
        (["connection/*"], ["CONN-03"], ["CONN-01"]),
        (["heartbeat/silence-is-detected"], [], ["HB-03"]),
        (["SLOW-*"], [], []),
        ([], ["*"], []),
    ],
)
def test_cases_are_chosen_by_id_number_or_glob(
    include: list[str], exclude: list[str], numbers: list[str]
) -> None:
    assert [c.number for c in select(CASES, include=include, exclude=exclude)] == numbers


def test_level_is_the_highest_wanted() -> None:
    assert "CLOSE-02" not in [c.number for c in select(CASES, level=1)]
    assert len(select(CASES, level=2)) == 4


def test_severities_are_exact() -> None:
    assert [c.number for c in select(CASES, severities=[Severity.SHOULD])] == ["HB-03"]


@pytest.mark.parametrize(
    ("pattern", "nearest"),
    [("CONN-1", "CONN-01"), ("connection/traffic-stay-flat", "connection/traffic-stays-flat")],
)
def test_a_case_that_does_not_exist_is_refused_with_the_nearest(pattern: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"{pattern}.*{nearest}"):
        select(CASES, include=[pattern])
    with pytest.raises(ConfigError, match="--exclude"):
        select(CASES, exclude=[pattern])
