"""testee.toml: what is wrong with it is named with file, line and the nearest valid spelling."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockex.errors import ConfigError
from mockex_conformance.harness.load import find, find_all, from_command, load, own_testees

GOOD = """\
[testee]
name = "orderly"
command = ["python", "-m", "orderly"]
level = 2
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "testee.toml"
    file.write_text(text)
    return file


def test_a_short_description_gets_every_default(tmp_path: Path) -> None:
    testee = load(write(tmp_path, GOOD))
    assert (testee.name, testee.level, testee.profiles) == ("orderly", 2, ["spot", "usdm"])
    assert testee.limits.reconnect_cap_ms == 30_000
    assert testee.cwd == tmp_path.resolve()


def test_every_table_is_read(tmp_path: Path) -> None:
    text = GOOD + (
        'cwd = ".."\n[testee.env]\nLOG = "debug"\n[limits]\nclose_ms = 100\n'
        '[[expect]]\ncase = "HB-03"\nverdict = "FAIL"\nreason = "no watchdog"\n'
        '[mutant]\nmust_fail = ["CONN-01"]\n[also_fails]\nCONN-02 = "the same"\n'
    )
    testee = load(write(tmp_path, text), known_cases=["HB-03", "CONN-01", "CONN-02"])
    assert testee.env == {"LOG": "debug"}
    assert testee.limits.close_ms == 100
    assert testee.expect[0].reason == "no watchdog"
    assert testee.must_fail == ["CONN-01"]
    assert testee.also_fails == {"CONN-02": "the same"}
    assert testee.cwd == tmp_path.parent.resolve()


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (GOOD + '[limits]\nname = "x"\n', 6, "one of ack_timeout_ms"),
        (GOOD + "[testee.env]\nPORT = 5\n", 5, "expected `str`"),
        (GOOD + 'profiles = ["spot", "spot"]\n', 5, "each once"),
        (GOOD + 'streams = ["eth usdc@trade"]\n', 5, "stream names"),
        (GOOD + "nam = 1\n[limits]\n", 5, "'name' (the nearest)"),
        ("nam = 1\n" + GOOD, 1, "one of also_fails"),
        (GOOD + "[limits]\nclose_ms = nan\n", 6, "above 0"),
        (GOOD + "level = 2\n", 5, "valid TOML"),
        (GOOD + 'cwd = "', 5, "valid TOML"),
        (
            GOOD + '[[expect]]\ncase = "HB-03"\nverdict = "FAIL"\nreason = ""\n'
            '[[expect]]\nreason = ""\ncase = "CONN-1"\nverdict = "FAIL"\n',
            11,
            "'CONN-01' (the nearest)",
        ),
        (GOOD + '[mutant]\nmust_fail = ["HB-3"]\n', 6, "'HB-03' (the nearest)"),
        (GOOD + '[may_fail]\nHB-30 = "why"\n', 6, "'HB-03' (the nearest)"),
        (GOOD + "scale_time = true\n", 5, "'scales_time' (the nearest)"),
        (GOOD + "[limit]\nclose_ms = 5\n", 5, "'limits' (the nearest)"),
        (GOOD + '[limits]\nclose_ms = "5"\n', 6, "expected `float"),
        (GOOD + "[limits]\nclose_ms = 60000\n", 6, "above 0, at most 15000"),
        (GOOD.replace("level = 2", "level = 3"), 4, "0, 1 or 2"),
        (GOOD.replace("orderly", "Order Ly", 1), 2, "[a-z0-9-]+"),
        (GOOD + 'profiles = ["coinm"]\n', 5, "'spot', 'usdm'"),
        (GOOD + 'entry = "no colon"\n', 5, "'package.module:function'"),
        (
            GOOD + '[[expect]]\ncase = "HB-04x"\nverdict = "FAIL"\nreason = ""\n',
            6,
            "'HB-03' (the nearest)",
        ),
        (
            GOOD + '[[expect]]\ncase = "HB-03"\nverdict = "BAD"\nreason = ""\n',
            7,
            "FAIL, INCONCLUSIVE, UNSUPPORTED",
        ),
    ],
)
def test_what_cannot_be_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        load(file, known_cases=["HB-03", "CONN-01"])
    assert f"{file}:{line}" in str(error.value)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [("[testee\n", "valid TOML"), ("", "a table with name and command"), ("[testee]\n", "name")],
)
def test_a_file_that_is_no_description_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        load(file)
    assert str(file) in str(error.value)
    assert says in str(error.value)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a readable file"):
        load(tmp_path)
    (tmp_path / "testee.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="a readable file"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["node", "My Adapter.js"], "my-adapter"),
        (["./build/my-adapter", "--depth", "5"], "my-adapter"),
        (["python", "-u", "my_adapter.py", "--port", "5"], "my-adapter"),
        (["python", "-m", "orderly.testee", "--fast"], "orderly-testee"),
        (["java", "-jar", "/opt/orderly.jar", "spot"], "orderly"),
        (["run"], "run"),
        (["./---"], "testee"),
    ],
)
def test_a_command_line_is_a_testee_of_level_0(command: list[str], name: str) -> None:
    testee = from_command(command)
    assert (testee.name, testee.level, testee.command) == (name, 0, command)


def test_a_silence_longer_than_the_exchanges_own_is_refused_on_spot(tmp_path: Path) -> None:
    limits = "[limits]\nstall_detect_ms = 600000\n"
    assert load(write(tmp_path, f'{GOOD}profiles = ["usdm"]\n{limits}')).limits.stall_detect_ms
    with pytest.raises(ConfigError, match=r"testee\.toml:6: stall_detect_ms.* at most 60000"):
        load(write(tmp_path, GOOD + limits))


def test_a_known_failure_may_be_that_of_one_profile(tmp_path: Path) -> None:
    expect = '[[expect]]\ncase = "HB-03"\nverdict = "FAIL"\nreason = "x"\nprofile = "usdm"\n'
    assert load(write(tmp_path, GOOD + expect)).expect[0].profile == "usdm"
    with pytest.raises(ConfigError, match=r"testee\.toml:10: profile: 'usdm' .*expected spot"):
        load(write(tmp_path, f'{GOOD}profiles = ["spot"]\n{expect}'))


def test_our_own_testees_are_found_by_name_and_by_folder() -> None:
    assert find("reference")[0].level == 2
    assert {t.name for t in find("mutants")} >= {"two-owners", "silent"}
    assert own_testees().is_dir()


def test_our_own_testees_are_found_by_a_glob_over_names() -> None:
    found = {testee.name for testee in find("*-owners")}
    assert found == {"two-owners"}


def test_hidden_folders_are_not_searched(tmp_path: Path) -> None:
    for name in ("mine", ".venv"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, GOOD)
    assert [testee.file for testee in find(str(tmp_path))] == [
        (tmp_path / "mine" / "testee.toml").resolve()
    ]


def test_an_unknown_testee_is_told_the_nearest_ones() -> None:
    with pytest.raises(ConfigError, match="nearest: two-owners"):
        find("two-owner")


def test_a_folder_without_a_description_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a folder with a testee\.toml"):
        find(str(tmp_path))


def test_two_testees_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, GOOD)
    with pytest.raises(ConfigError, match="each name once"):
        find_all([str(tmp_path)])


def test_every_description_of_ours_is_valid() -> None:
    names = [load(file).name for file in own_testees().rglob("testee.toml")]
    assert len(names) == len(set(names)) > 30
