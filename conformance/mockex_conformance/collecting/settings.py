"""`--mockex-testee` and what goes with it: what pytest is asked to judge, and how."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from mockex.errors import ConfigError
from mockex.pytest_plugin.options import seed as seed_of
from mockex.pytest_plugin.options import setting

DESCRIPTION = "testee.toml"
DEFAULT_SEED = 7  # as `mockex conform`
DEFAULT_OUT = "out"
SETTINGS = {
    "ground": "real: testees are processes and have sockets of this machine; virtual: their"
    " `entry`, in a moment. Default: real.",
    "out": f"Folder for record, recordings and reports of testees. Default: {DEFAULT_OUT}.",
    "jobs": "Cases side by side, without pytest-xdist. Default: as many as leave the machine below"
    " 70 percent busy.",
    "strict": "A failed SHOULD fails too; in the configuration file: yes or no.",
}


def add_settings(parser: pytest.Parser) -> None:
    """Declare all settings."""
    group = parser.getgroup("mockex-testee", "mockex: the suite's cases as tests")
    group.addoption(
        "--mockex-testee",
        action="append",
        default=[],
        metavar="TESTEE",
        help="Collect the cases of the suite for it: a testee.toml, its folder, or the name of one"
        " of ours. Repeatable. A testee.toml can be named like a file of tests, too.",
    )
    for name, about in SETTINGS.items():
        dest = f"mockex_{name}"
        if name == "strict":
            group.addoption(
                f"--mockex-{name}", dest=dest, action="store_const", const="yes", help=about
            )
        else:
            group.addoption(f"--mockex-{name}", dest=dest, metavar=name.upper(), help=about)
        parser.addini(dest, about, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How cases are judged."""

    ground: str = "real"
    out: Path = Path(DEFAULT_OUT)
    jobs: int | None = None
    strict: bool = False
    seed: int = DEFAULT_SEED
    profiles: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: pytest.Config) -> Settings:
        """What was set.

        Raises:
            pytest.UsageError: it cannot be.
        """
        ground = setting(config, "ground") or "real"
        if ground not in ("real", "virtual"):
            raise pytest.UsageError(f"mockex: ground {ground!r} is neither 'real' nor 'virtual'")
        profile = setting(config, "profile")
        if profile not in (None, "spot", "usdm"):
            raise pytest.UsageError(
                f"mockex: profile {profile!r}: testees are judged on 'spot' and 'usdm'"
            )
        strict = setting(config, "strict") or "no"
        if strict not in ("yes", "no", "true", "false"):
            raise pytest.UsageError(f"mockex: strict {strict!r} is neither 'yes' nor 'no'")
        jobs = setting(config, "jobs")
        if jobs is not None and not (jobs.isdecimal() and int(jobs)):
            raise pytest.UsageError(f"mockex: jobs {jobs!r} is no number from 1 on")
        seed = seed_of(config)
        return cls(
            ground=ground,
            out=config.invocation_params.dir / (setting(config, "out") or DEFAULT_OUT),
            jobs=None if jobs is None else int(jobs),
            strict=strict in ("yes", "true"),
            seed=DEFAULT_SEED if seed is None else seed,
            profiles=() if profile is None else (profile,),
        )


def descriptions(config: pytest.Config) -> list[Path]:
    """Every `testee.toml` that is to be collected: those of `--mockex-testee`, and those that were
    named among the tests.

    Raises:
        pytest.UsageError: there is none of such a name.
    """
    named = [(config.invocation_params.dir / _path(arg)).resolve() for arg in config.args]
    found = [file for file in named if file.name == DESCRIPTION]
    for selector in config.getoption("mockex_testee"):
        found += _of(selector, config.invocation_params.dir)
    return list(dict.fromkeys(found))


def _path(argument: str) -> str:
    """The file of `file.py::test[a]`."""
    return argument.partition("::")[0]


def _of(selector: str, here: Path) -> Sequence[Path]:
    path = (here / selector).resolve()
    if path.is_dir() and (path / DESCRIPTION).is_file():
        return [path / DESCRIPTION]
    if path.is_file():
        return [path]
    if os.sep in selector or selector.endswith(".toml"):
        raise pytest.UsageError(f"mockex: --mockex-testee {selector}: there is no such file")
    from mockex_conformance.harness.load import find_all

    try:
        testees = find_all([selector])
    except ConfigError as error:
        raise pytest.UsageError(f"mockex: --mockex-testee: {error}") from None
    return [testee.file.resolve() for testee in testees if testee.file is not None]
