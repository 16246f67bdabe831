"""What a test asks for: its markers, then the command line, then the configuration file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from mockex.faults import Fault
    from mockex.profile import Profile

MARKER = "mockex"
GROUNDS = ("real", "virtual")
OPTIONS = pytest.StashKey["Options"]()
# Setting, and what it is about; each is `--mockex-NAME` and `mockex_NAME` in the configuration.
SETTINGS = {
    "seed": "Seed of exchanges whose test names none (else 0), and of the run of a testee "
    "(else 7).",
    "profile": "Profile of exchanges whose test names none (else spot): spot, usdm, a dated one or "
    "a file. Of a testee, only this one.",
    "url": "Use the exchange that runs at this admin URL, as `mockex serve` says it, in the place "
    "of one for each test. With pytest-xdist, as many URLs as workers, with commas.",
    "journal-dir": "Leave the whole journal of each failed test in this folder.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The exchange of one test; each field is an argument of the marker. `symbols` None: the usual
    ones."""

    profile: str | Profile = "spot"
    seed: int = 0
    symbols: Sequence[str] | None = None
    market: str = "walk"
    step_ms: int = 100
    rate: float = 1.0
    volatility: float = 1.0
    loop: bool = True
    lenient: bool = False
    settings: Mapping[str, object] | None = None
    speed: float = 1.0
    faults: Sequence[Fault] = ()
    ground: str = "real"

    def __str__(self) -> str:
        return f"seed {self.seed}, ground {self.ground}, profile {self.profile}"


NAMES = [field.name for field in fields(Options)]


def add_settings(parser: pytest.Parser) -> None:
    """Declare all settings."""
    group = parser.getgroup("mockex", "mockex: an exchange that fails on purpose")
    for name, about in SETTINGS.items():
        dest = f"mockex_{name.replace('-', '_')}"
        group.addoption(f"--mockex-{name}", dest=dest, metavar=name.upper(), help=about)
        parser.addini(dest, about, default=None)


def setting(config: pytest.Config, name: str) -> str | None:
    """One setting: of the command line, else of the configuration file, else None."""
    dest = f"mockex_{name.replace('-', '_')}"
    given: str | None = config.getoption(dest)
    if given is None:
        given = config.getini(dest) or None
    return given


def seed(config: pytest.Config) -> int | None:
    """The seed that was set.

    Raises:
        pytest.UsageError: it is no whole number.
    """
    given = setting(config, "seed")
    try:
        return None if given is None else int(given)
    except ValueError:
        raise pytest.UsageError(f"mockex: seed {given!r} is no whole number") from None


def usual(config: pytest.Config) -> Options:
    """What a test without a marker gets."""
    given: dict[str, Any] = {"seed": seed(config), "profile": setting(config, "profile")}
    return Options(**{name: value for name, value in given.items() if value is not None})


def flags(item: pytest.Item) -> list[str]:
    """What of the command line decides what exchange a test gets."""
    asked = asked_of(item)
    given = {name: item.config.getoption(f"mockex_{name}") for name in ("seed", "profile")}
    return [f"--mockex-{n}={v}" for n, v in given.items() if v is not None and n not in asked]


def journal_dir(config: pytest.Config) -> Path | None:
    """Where journals of failed tests go; one of the configuration file is relative to that."""
    given = setting(config, "journal-dir")
    if given is None:
        return None
    here = config.getoption("mockex_journal_dir") is not None
    return (config.invocation_params.dir if here else config.rootpath) / given


def asked_of(item: pytest.Item) -> dict[str, Any]:
    """What the markers of `item` ask for: argument by argument, the nearest one wins.

    Fails the test if one asks for what there is not.
    """
    asked: dict[str, Any] = {}
    for mark in reversed(list(item.iter_markers(MARKER))):
        if mark.args:
            refuse(f"marker {MARKER} takes arguments by name, not {mark.args[0]!r}")
        check_names(f"marker {MARKER}", mark.kwargs)
        asked |= mark.kwargs
    return asked


def options_of(item: pytest.Item) -> Options:
    """The options of a test, with its markers. Fails the test if these cannot be."""
    options = replace(usual(item.config), **asked_of(item))
    if options.ground not in GROUNDS:
        refuse(f"marker {MARKER}: ground {options.ground!r} is neither 'real' nor 'virtual'")
    return options


def check_names(who: str, given: Mapping[str, object]) -> None:
    """Fail the test if there is no option of such a name."""
    for name in given:
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.0)[0]
            refuse(
                f"{who} takes no argument {name!r}; did you mean {near!r}?"
                f" It takes {', '.join(NAMES)}"
            )


def refuse(why: str) -> NoReturn:
    """Fail the test without a traceback: the sentence says it all."""
    pytest.fail(why, pytrace=False)
