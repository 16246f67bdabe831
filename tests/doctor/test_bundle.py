"""What goes with a bug report: what is in it, and no secret."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mockex.doctor.bundle import CONTENTS, Bundle
from mockex.doctor.scrubbing import REMOVED, Scrubber
from mockex.errors import ConfigError
from tests.doctor.test_scrubbing import chosen, drawn, leaks

ENVIRON = {"HOME": "/home/me", "BINANCE_API_SECRET": "hunter22", "MOCKEX_SERVE_SEED": "7"}


def bundle() -> Bundle:
    return Bundle(Scrubber(ENVIRON, "/home/me"))


def write(path: Path, *lines: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


def verdict(case: str, said: str, **more: str) -> dict[str, str]:
    files = {"journal": f"journal/{case}.jsonl", "stderr": f"stderr/{case}.txt"}
    return {"type": "verdict", "case": case, "verdict": said, **files, **more}


def run_in(folder: Path, *verdicts: dict[str, str]) -> Path:
    """A run with a recording and stderr of each verdict."""
    write(folder / "run.jsonl", {"type": "run", "command": ["mockex", "conform"]}, *verdicts)
    for one in verdicts:
        write(folder / one["journal"], {"type": "opened", "t": 0})
        write(folder / one["stderr"], f"{one['case']} says this")
    return folder


def read(file: Path) -> dict[str, str]:
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_what_did_not_pass_is_in_it_and_what_passed_is_not(tmp_path: Path) -> None:
    made = bundle()
    made.add_run(run_in(tmp_path / "out", verdict("A", "PASS"), verdict("B", "FAIL")))
    contents = made.write(tmp_path / "b.zip")
    found = read(tmp_path / "b.zip")
    assert [*found] == [CONTENTS, "run/run.jsonl", "run/journal/B.jsonl", "run/stderr/B.txt"]
    assert found["run/stderr/B.txt"] == "B says this\n"
    assert found[CONTENTS] == contents + "\n"
    assert all(name in contents for name in found if name != CONTENTS)


def test_only_our_variables_are_in_it_and_of_them_no_secret() -> None:
    made = bundle()
    made.add_environment({**ENVIRON, "MOCKEX_ADMIN_TOKEN": "abc", "MOCKEX_X": "/home/me/hunter22"})
    assert made.members["environment.txt"] == (
        f"MOCKEX_ADMIN_TOKEN={REMOVED}\nMOCKEX_SERVE_SEED=7\nMOCKEX_X=~/{REMOVED}\n"
    )


def test_a_setting_that_is_a_secret_is_shown_without_its_value() -> None:
    made = bundle()
    settings = [{"command": "serve", "key": "admin-token", "value": "abc", "where": "m.toml:3"}]
    made.add("config.json", json.dumps({"file": "/home/me/m.toml", "settings": settings}))
    assert json.loads(made.members["config.json"]) == {
        "file": "~/m.toml",
        "settings": [{**settings[0], "value": REMOVED}],
    }


def test_a_recording_that_is_too_long_has_its_beginning_and_its_end(tmp_path: Path) -> None:
    out = run_in(tmp_path / "out", verdict("B", "FAIL"))
    lines = [{"type": "received", "t": number, "text": "x " * 45} for number in range(5000)]
    write(out / "journal" / "B.jsonl", *lines)
    made = bundle()
    made.add_run(out)
    kept = [json.loads(line) for line in made.members["run/journal/B.jsonl"].splitlines()]
    assert (kept[0], kept[-1]) == (lines[0], lines[-1])
    assert len(made.members["run/journal/B.jsonl"]) <= 200_000
    (note,) = made.left_out
    assert note.startswith("run/journal/B.jsonl: ")
    assert note.endswith(" bytes in the middle")


def test_a_line_that_is_longer_than_what_may_be_in_it_is_left_out_whole(tmp_path: Path) -> None:
    out = run_in(tmp_path / "out", verdict("B", "FAIL"))
    (out / "stderr" / "B.txt").write_text("password = " + "abcd " * 200_000)
    made = bundle()
    made.add_run(out)
    assert "run/stderr/B.txt" not in made.members
    assert "run/stderr/B.txt: 1000011 bytes in the middle" in made.contents()


def test_of_many_failures_the_first_are_in_it_and_the_rest_is_named(tmp_path: Path) -> None:
    made = bundle()
    made.add_run(run_in(tmp_path / "out", *(verdict(f"C{n:02}", "FAIL") for n in range(25))))
    assert "run/journal/C19.jsonl" in made.members
    assert "run/journal/C20.jsonl" not in made.members
    assert "run/journal/C20.jsonl: 20 cases are in" in made.contents()


def test_a_record_that_is_cut_in_a_line_is_in_it_as_it_is(tmp_path: Path) -> None:
    out = run_in(tmp_path / "out", verdict("B", "FAIL"))
    with (out / "run.jsonl").open("a") as file:
        file.write('{"type":"verdict","apiKey":"abcdef')
    made = bundle()
    made.add_run(out)
    assert made.members["run/run.jsonl"].endswith(f'{{"type":"verdict","apiKey{REMOVED}')
    assert "run/journal/B.jsonl" in made.members


@pytest.mark.parametrize("name", ["../../secrets.txt", "/etc/hostname"])
def test_a_record_cannot_name_files_of_somebody_else(tmp_path: Path, name: str) -> None:
    (tmp_path / "secrets.txt").write_text("mine")
    out = tmp_path / "a" / "out"
    write(out / "run.jsonl", verdict("B", "FAIL", journal=name, stderr=""))
    made = bundle()
    made.add_run(out)
    assert [*made.members] == ["run/run.jsonl"]
    assert made.left_out == [f"run/{name}: is not in that folder"]


def test_a_recording_that_is_not_there_is_said(tmp_path: Path) -> None:
    out = run_in(tmp_path / "out", verdict("B", "FAIL"))
    (out / "journal" / "B.jsonl").unlink()
    made = bundle()
    made.add_run(out)
    assert made.left_out == ["run/journal/B.jsonl: No such file or directory"]


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--run: .* expected a folder with a run\.jsonl"):
        bundle().add_run(tmp_path)


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_text("mine")
    with pytest.raises(ConfigError, match="a file that is not there yet"):
        bundle().write(tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_text() == "mine"


def test_one_that_somebody_else_made_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, made = tmp_path / "b.zip", bundle()

    def contents(_: Bundle) -> str:
        file.write_text("theirs")
        return ""

    monkeypatch.setattr(Bundle, "contents", contents)
    with pytest.raises(ConfigError, match="not there yet"):
        made.write(file)
    assert file.read_text() == "theirs"


def test_a_disk_that_is_full_leaves_no_half_archive(tmp_path: Path) -> None:
    file = tmp_path / "b.zip"
    code = (
        "import pathlib, random, resource\n"
        "from mockex.doctor.bundle import Bundle\n"
        "from mockex.doctor.scrubbing import Scrubber\n"
        "made = Bundle(Scrubber({}))\n"
        "drawn = random.Random(7).choices(range(32, 999), k=90_000)\n"
        "made.members['a'] = ''.join(map(chr, drawn))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try:\n"
        f"    made.write(pathlib.Path({str(file)!r}))\n"
        "except OSError as error:\n"
        "    print(error.errno, error.filename)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == f"{errno.EFBIG} {file}\n"
    assert not file.exists()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "b.zip"
    with pytest.raises(FileNotFoundError) as caught:
        bundle().write(file)
    assert caught.value.filename == str(file)


# --- no secret, wherever it stands ----------------------------------------------------------------

NAMES = st.sampled_from(["apiKey", "secret", "X-MBX-APIKEY", "listenKey", "password", "signature"])


def journal(name: str, secret: str) -> st.SearchStrategy[dict[str, Any]]:
    """An entry of a recording that has a secret somewhere."""
    return st.sampled_from(
        [
            {"type": "upgraded", "target": f"/stream?{name}={secret}", "headers": {name: secret}},
            {"type": "received", "text": json.dumps({"params": {name: secret}})},
            {"type": "received", "text": f'{{"params":{{"{name}":"{secret}'},
            {"type": "launched", "command": ["./adapter", f"--{name}", secret]},
            {"type": "launched", "command": ["./adapter", f"--{name}={secret}"]},
            {"type": "said", "params": {"message": f"{name}: '{secret}' refused"}},
            {"type": "exited", "last_words": f'panic: {name}="{secret}"'},
            {"type": "answered", "error": {"data": [{"name": name, "value": secret}]}},
            {"type": "requested", "target": f"/api/v3/depth?symbol=X&{name}={secret}&limit=5"},
        ]
    )


# With a sign that is nowhere else in a bundle: `run.jsonl` would be no secret.
unlike = chosen.map(lambda text: "~".join(text[at : at + 3] for at in range(0, len(text), 3)))


@given(data=st.data(), secrets=st.lists(drawn | unlike, min_size=3, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_secret_of_any_shape_is_anywhere_in_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, secrets: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    entry, line, words = secrets
    one = data.draw(journal(data.draw(NAMES), entry))
    other = data.draw(journal(data.draw(NAMES), line))
    out = run_in(folder / "out", verdict("B", "FAIL"))
    write(out / "run.jsonl", {"type": "run", **one}, verdict("B", "FAIL", reason=json.dumps(other)))
    write(out / "journal" / "B.jsonl", one, other)
    name = data.draw(NAMES)
    write(out / "stderr" / "B.txt", f"{name}={words}", f"x '{name}': '{words}' and", "hunter22")
    made = bundle()
    made.add_environment({f"MOCKEX_{name}": words, **ENVIRON})
    made.add_run(out)
    made.write(folder / "b.zip")
    for member, text in read(folder / "b.zip").items():
        for secret in (*secrets, "hunter22"):
            assert leaks(text, secret) == [], member
    kept = [json.loads(row) for row in made.members["run/journal/B.jsonl"].splitlines()]
    assert [row["type"] for row in kept] == [one["type"], other["type"]]


def test_half_a_character_in_json_is_no_hindrance(tmp_path: Path) -> None:
    made = bundle()
    made.add("a.jsonl", '{"x":"\\ud800é"}')
    made.write(tmp_path / "b.zip")
    assert read(tmp_path / "b.zip")["a.jsonl"] == '{"x":"?é"}'
