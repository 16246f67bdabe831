"""Every rule of the specification has a test or a reason, and docs/fidelity.md says which."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import rules


@pytest.fixture(scope="module")
def catalogue() -> dict[str, rules.Rule]:
    return rules.catalogue()


@pytest.fixture(scope="module")
def held() -> dict[str, list[str]]:
    return rules.held()


def test_each_rule_has_an_id_a_label_and_one_sentence(catalogue: dict[str, rules.Rule]) -> None:
    for rule in catalogue.values():
        assert rules.ID.fullmatch(rule.id), rule.id
        assert rule.label in ("D", "O", "I"), rule.id
        assert rule.rule.endswith("."), rule.id
        assert len(rule.rule) < 240, rule.id


def test_each_section_has_a_title_and_rules_of_one_page(catalogue: dict[str, rules.Rule]) -> None:
    found = rules.sections()
    assert [rule for ids in found.values() for rule in ids] == list(catalogue)
    for title, ids in found.items():
        assert ", " in title
        assert len({catalogue[rule].page for rule in ids}) == 1


def test_each_rule_has_a_test_or_a_reason_and_not_both(
    catalogue: dict[str, rules.Rule], held: dict[str, list[str]]
) -> None:
    neither = [r.id for r in catalogue.values() if r.id not in held and not r.reason]
    both = [r.id for r in catalogue.values() if r.id in held and r.reason]
    assert (neither, both) == ([], [])


def test_a_test_names_only_rules_that_exist(
    catalogue: dict[str, rules.Rule], held: dict[str, list[str]]
) -> None:
    assert {rule: files for rule, files in held.items() if rule not in catalogue} == {}


def test_a_profile_names_only_rules_that_exist(catalogue: dict[str, rules.Rule]) -> None:
    unknown = {rule: list(names) for rule, names in rules.settings().items()
               if rule not in catalogue}  # fmt: skip
    assert unknown == {}


def test_each_choice_of_ours_is_a_setting(catalogue: dict[str, rules.Rule]) -> None:
    assert rules.unsettled(catalogue) == []


def test_the_page_is_what_the_generator_makes() -> None:
    assert rules.PAGE.read_text(encoding="utf-8") == rules.page(), (
        "run: python -m tests.rules > docs/fidelity.md"
    )


def test_markers_are_read_from_the_source_of_tests(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "test_a.py").write_text(
        "@pytest.mark.rule('spot-1.1', 'spot-1.2')\ndef test_it(): ...\n"
        "@pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.rule('wire-A4'))])\n"
        "def test_that(x): ...\nOTHER = 'usdm-1.1'\n",
        encoding="utf-8",
    )
    (tmp_path / "test_b.py").write_text(
        "ROWS = [('spot-1.1', 3), ('usdm-2.3.1c', 4), ('spot-', 5)]\n"
        "rows = [pytest.param(n, marks=pytest.mark.rule(rule)) for rule, n in ROWS]\n",
        encoding="utf-8",
    )
    assert rules.held(tmp_path) == {
        "spot-1.1": ["deep/test_a.py", "test_b.py"],
        "spot-1.2": ["deep/test_a.py"],
        "wire-A4": ["deep/test_a.py"],
        "usdm-2.3.1c": ["test_b.py"],
    }
