"""docs/ci.md and action.yml: the YAML is what CI systems take, the commands exist, and what can be
run here is run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML

from mockex.cli import cli

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^```\w+ title=(\S+)\n(.*?)^```", PAGE, re.M | re.S))
WORKFLOWS = [name for name in RECIPES if name.startswith(".github/workflows/")]
GITLAB = [name for name in RECIPES if name.endswith(".gitlab-ci.yml")]
ACTION: dict[str, Any] = YAML(typ="safe").load(ROOT / "action.yml")
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]


def yaml(name: str) -> Any:
    return YAML(typ="safe").load(RECIPES[name])


def check(schema: str, file: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """A file held against a schema that check-jsonschema brings along."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *more]
    return subprocess.run(
        [*command, str(file)], capture_output=True, text=True, timeout=60, check=False
    )


def written(tmp_path: Path, name: str) -> Path:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(RECIPES[name], encoding="utf-8")
    return file


def test_every_system_has_its_recipe() -> None:
    assert len(WORKFLOWS) == 4
    assert len(GITLAB) == 2
    assert set(RECIPES) == {*WORKFLOWS, *GITLAB, "tox.ini"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_github_takes_the_workflow(tmp_path: Path, name: str) -> None:
    done = check("vendor.github-workflows", written(tmp_path, name))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", GITLAB)
def test_gitlab_takes_the_jobs(tmp_path: Path, name: str) -> None:
    done = check("vendor.gitlab-ci", written(tmp_path, name), "--data-transform", "gitlab-ci")
    assert done.returncode == 0, done.stdout


def test_a_wrong_workflow_would_be_refused(tmp_path: Path) -> None:
    file = written(tmp_path, WORKFLOWS[0])
    file.write_text(file.read_text().replace("timeout-minutes", "timeout"))
    assert check("vendor.github-workflows", file).returncode == 1


def test_github_takes_the_action() -> None:
    done = check("vendor.github-actions", ROOT / "action.yml")
    assert done.returncode == 0, done.stdout


# --- the action -----------------------------------------------------------------------------------


def test_the_action_needs_nobody_but_github() -> None:
    assert [s["uses"] for s in STEPS if "uses" in s and not s["uses"].startswith("actions/")] == []


def test_every_input_is_used_and_none_becomes_part_of_a_script() -> None:
    text = (ROOT / "action.yml").read_text()
    for name in ACTION["inputs"]:
        assert f"inputs.{name}" in text
        assert f"| `{name}` |" in PAGE
    assert [step["name"] for step in STEPS if "${{" in step.get("run", "")] == []


def test_recipes_give_the_action_what_it_takes() -> None:
    used = 0
    for name in WORKFLOWS:
        for job in yaml(name)["jobs"].values():
            for step in job["steps"]:
                if "OWNER/mockex" in step.get("uses", ""):
                    used += 1
                    assert set(step["with"]) <= set(ACTION["inputs"])
    assert used == 3


def run_step(name: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A step's script, run as GitHub does."""
    (step,) = (step for step in STEPS if step["name"] == name)
    script = cwd / "step"
    script.write_text(step["run"])
    shell = {"bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"], "python": ["python"]}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        [*shell[step["shell"]], str(script)], cwd=cwd, capture_output=True, text=True, timeout=100,
        check=False, env={**os.environ, **env, "PATH": path, "OUT": "the run"},
    )  # fmt: skip


def test_the_action_judges_reports_and_ends_as_the_suite_does(tmp_path: Path) -> None:
    done = run_step(
        "Judge", tmp_path, TESTEE="two-owners",
        ARGUMENTS="--ground virtual --profile usdm --case 'CONN-0[1]'",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("$ mockex conform --out 'the run' two-owners")
    folder, page = tmp_path / "the run", tmp_path / "summary.md"
    (folder / "report.html").unlink()  # as if it had been cancelled
    done = run_step("Report", tmp_path, GITHUB_STEP_SUMMARY=str(page))
    assert done.returncode == 0, done.stderr
    assert page.read_text().startswith("### mockex: On the virtual ground: 1 FAIL.")
    assert "::error title=two-owners · usdm · CONN-01" in done.stdout
    made = {file.name for file in folder.iterdir() if file.is_file()}
    assert made == {
        "run.jsonl", "junit.xml", "ctrf.json", "report.html", "badge.svg", "badge.json",
    }  # fmt: skip


def test_the_action_reports_nothing_where_nothing_was_begun(tmp_path: Path) -> None:
    assert run_step("Judge", tmp_path, TESTEE="nobody", ARGUMENTS="").returncode == 4
    done = run_step("Report", tmp_path, GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"))
    assert (done.returncode, done.stdout) == (0, "")
    assert not (tmp_path / "summary.md").exists()


# --- commands -------------------------------------------------------------------------------------


def commands() -> list[str]:
    """Every command line of ours on the page and in the action."""
    said = re.findall(r"(?:^\$ |docker run .* |^ *- (?:run: )?|^ +)(mockex .*)", PAGE, re.M)
    said += re.findall(r"^ *(mockex .*)", (ROOT / "action.yml").read_text(), re.M)
    said = [re.split(r" \|\| | # ", line)[0] for line in said]
    return [line for line in said if line != "mockex --version"]


def parsed(group: click.Command, args: list[str], parent: click.Context | None = None) -> None:
    """Parse a command line to its last command; raises click's error if it is none."""
    ctx = group.make_context("mockex", args, parent=parent)
    if isinstance(group, click.Group):
        rest = [*ctx._protected_args, *ctx.args]
        _, command, rest = group.resolve_command(ctx, rest)
        assert command is not None
        parsed(command, rest, ctx)


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_each_command_is_one(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("out", "before", "mockex-out", "part1", "part2", "part3", "killed", "$OUT"):
        (tmp_path / name).mkdir()
    words = [word for word in shlex.split(line)[1:] if word != "{posargs}"]
    words = [word.replace("$CI_NODE_INDEX/$CI_NODE_TOTAL", "1/3") for word in words]
    parsed(cli, words)


def test_a_command_that_does_not_exist_would_be_found() -> None:
    assert any(line.startswith("mockex report diff") for line in commands())
    with pytest.raises(click.UsageError):
        parsed(cli, ["report", "md", "--anotate", "."])


# --- tox ------------------------------------------------------------------------------------------


def test_the_recipe_for_tox_judges_what_init_writes(tmp_path: Path) -> None:
    written(tmp_path, "tox.ini")
    outer = {name: value for name, value in os.environ.items() if not name.startswith("TOX")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**outer, "PATH": path, "VIRTUALENV_NO_PERIODIC_UPDATE": "1"}
    subprocess.run(
        ["mockex", "init", "--lang", "python", "my-adapter"], cwd=tmp_path, check=True, env=env,
        capture_output=True, timeout=60,
    )  # fmt: skip
    arguments = ["--ground", "virtual", "--case", "CONN-01", "--profile", "spot"]
    # mockex is here already: it is not installed once more from an index.
    override = ["-x", "testenv:conform.deps=", "-x", "testenv:conform.allowlist_externals=mockex",
                "-x", "testenv:conform.pass_env=PATH,HOME"]  # fmt: skip

    def tox() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tox", "run", *override, "-e", "conform", "--", *arguments],
            cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip

    done = tox()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 PASS. Every required case passes." in done.stdout
    testee = tmp_path / "my-adapter" / "testee.py"
    healthy = testee.read_text()
    again = 'self.owners[name + "2"] = asyncio.create_task(self.hold(name))\n'
    testee.write_text(
        re.sub(r"^( +)(sys\.stderr\.write.*\n)", rf"\1\2\1{again}", healthy, flags=re.M)
    )
    assert testee.read_text() != healthy
    done = tox()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "CONN-01" in done.stdout
    assert (tmp_path / "out" / "junit.xml").exists()


# --- the image ------------------------------------------------------------------------------------


def test_what_the_image_is_made_of_is_sent_to_the_engine() -> None:
    kept = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
    assert sorted(" ".join(copied).split()) == sorted(kept)
    assert all((ROOT / name).exists() for name in kept)
