"""Reading a fault script: a TOML or JSON source becomes values, or a list of all that is wrong with
it, line by line. A script is checked whole before anything of it is done.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mockex.errors import ConfigError, Problem, ScriptError
from mockex.faults.catalogue import LASTING, NoSuchFault, class_named, make, nearest, shown
from mockex.faults.model import Fault
from mockex.faults.positions import Path as Place
from mockex.faults.positions import Positions, in_json, in_toml
from mockex.faults.script import (
    A_TIME,
    KEYS,
    LEAST_EVERY_S,
    TOP,
    WHENS,
    After,
    AfterSeen,
    At,
    Each,
    Script,
    Step,
    is_whole,
    seconds_of,
)

MOST_BYTES = 4 << 20


def read(path: Path) -> Script:
    """The script in a file, by the ending of its name.

    Raises:
        ScriptError: it is none; has every problem with its line.
        ConfigError: the name ends in neither .toml nor .json.
        OSError: it cannot be read.
    """
    return parse(source_of(path), toml=path.suffix.lower() == ".toml", file=str(path))


def source_of(path: Path) -> bytes:
    """What is in the file of a script; at most `MOST_BYTES` of it are ever read.

    Raises:
        ScriptError: it is larger.
        ConfigError: the name ends in neither .toml nor .json.
        OSError: it cannot be read.
    """
    if path.suffix.lower() not in (".toml", ".json"):
        raise ConfigError("FILE", str(path), "a name that ends in .toml or .json")
    with path.open("rb") as file:
        source = file.read(MOST_BYTES + 1)
    if len(source) > MOST_BYTES:
        raise ScriptError(str(path), [Problem(0, "", f"is larger than {MOST_BYTES >> 20} MiB")])
    return source


def parse(source: bytes, *, toml: bool, file: str) -> Script:
    """The script that `source` is; `file` is what messages call it.

    Raises:
        ScriptError: it is none; has every problem with its line.
    """
    data, found = load(source, toml=toml, file=file)
    problems = [Problem(line, str(path[-1]), "stands there twice") for path, line in found.again]
    reading = _Reading(found, problems)
    script = reading.script(data, file)
    if script is None or problems:
        raise ScriptError(file, sorted(problems, key=lambda p: p.line))
    return script


def load(source: bytes, *, toml: bool, file: str) -> tuple[Any, Positions]:
    """What `source` says, and where each part of it stands.

    Raises:
        ScriptError: it is no TOML, or no JSON.
    """

    def broken(line: int, why: str) -> ScriptError:
        return ScriptError(file, [Problem(line, "", why)])

    def no_number(word: str) -> None:
        raise ValueError(f"{word} is no number that a script may have")

    language = "TOML" if toml else "JSON"
    try:
        text = source.decode("utf-8-sig").replace("\r\n", "\n")
        if toml:
            return tomllib.loads(text), in_toml(text)
        return json.loads(text, parse_constant=no_number), in_json(text)
    except UnicodeDecodeError as error:
        raise broken(source.count(b"\n", 0, error.start) + 1, "is no UTF-8") from None
    except json.JSONDecodeError as error:
        raise broken(error.lineno, f"no JSON: {error.msg} (column {error.colno})") from None
    except tomllib.TOMLDecodeError as error:
        at = re.search(r" \(at line (\d+), (column \d+)\)$", str(error))
        why = str(error)[: at.start()] + f" ({at[2]})" if at else str(error)
        line = int(at[1]) if at else source.count(b"\n") + 1
        raise broken(line, f"no TOML: {why}") from None
    except RecursionError:
        raise broken(0, f"no script: {language} that is nested so deeply") from None
    except ValueError as error:  # of integers with thousands of digits, and of `no_number`
        raise broken(0, str(error)) from None


class _Reading:
    """Makes values of what was loaded, and collects what is wrong."""

    def __init__(self, found: Positions, problems: list[Problem]) -> None:
        self._found = found
        self._problems = problems
        self._base: Place = ()

    def script(self, data: Any, file: str) -> Script | None:
        """The script, unless something is wrong."""
        if not isinstance(data, dict):
            self._wrong("", "a script is a table with seed and fault")
            return None
        self._no_others(data, TOP, "a script")
        seed = data.get("seed", 0)
        if not is_whole(seed):
            self._unusable("seed", seed, "a whole number")
        tables = data.get("fault", [])
        if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
            self._wrong("fault", "expected tables, each with the header [[fault]]")
            return None
        if not tables:
            self._wrong("", "has no fault: a script has at least one table [[fault]]")
            return None
        steps = []
        for index, table in enumerate(tables):
            self._base = ("fault", index)
            steps.append(self._step(table))
        whole = tuple(step for step in steps if step is not None)
        return Script(whole, seed, file) if len(whole) == len(steps) else None

    def _step(self, table: Mapping[str, Any]) -> Step | None:
        before = len(self._problems)
        fault = self._fault(table)
        when = self._when(table)
        jitter_s = self._time(table, "jitter") or 0.0
        until_s, for_s = self._time(table, "until"), self._time(table, "for")
        if len(self._problems) > before:
            return None
        assert fault is not None
        assert when is not None
        lasts = isinstance(fault, LASTING)
        step = Step(
            fault,
            Each(when.seconds, until_s) if isinstance(when, Each) else when,
            jitter_s,
            for_s,
            None if isinstance(when, Each) else until_s,
            self._found.line(self._base),
        )
        for key, why in _misfits(step, until_s, lasts=lasts):
            self._wrong(key, why)
        return step if len(self._problems) == before else None

    def _fault(self, table: Mapping[str, Any]) -> Fault | None:
        name = table.get("fault")
        if not isinstance(name, str):
            if "fault" in table:
                self._unusable("fault", name, 'the name of a fault, like "Reset"')
            else:
                self._wrong("", "needs fault, the name of one")
            return None
        try:
            kind = class_named(name)
        except NoSuchFault as error:
            self._wrong("fault", str(error))
            return None
        fields = {key: value for key, value in table.items() if key not in KEYS}
        made = make(kind, fields, others=KEYS)
        if isinstance(made, Fault):
            return made
        for wrong in made:
            self._wrong(wrong.key, wrong.why)
        return None

    def _when(self, table: Mapping[str, Any]) -> At | Each | After | AfterSeen | None:
        given = [key for key in WHENS if key in table]
        if len(given) != 1:
            has = f", has {' and '.join(given)}" if given else ""
            self._wrong(given[-1] if given else "", f"needs exactly one of {', '.join(WHENS)}{has}")
            return None
        (key,) = given
        if key == "after" and isinstance(table[key], dict):
            return self._after_seen(table[key])
        seconds = self._time(table, key)
        if seconds is None:
            return None
        if key == "every" and seconds < LEAST_EVERY_S:
            self._wrong(key, f"must be at least {LEAST_EVERY_S * 1000:g}ms, got {table[key]}")
            return None
        match key:
            case "at":
                return At(seconds)
            case "every":
                return Each(seconds)
            case _:
                return After(seconds)

    def _after_seen(self, table: Mapping[str, Any]) -> AfterSeen | None:
        before = len(self._problems)
        events: Any = table.get("events")
        stream = table.get("stream")
        self._no_others(table, ("events", "stream"), "after", ("after",))
        if not is_whole(events) or events < 1:
            self._unusable("events", events, "a whole number of events from 1 on", ("after",))
        if stream is not None and not (isinstance(stream, str) and stream):
            self._unusable("stream", stream, "the name of a stream", ("after",))
        return AfterSeen(events, stream) if len(self._problems) == before else None

    def _time(self, table: Mapping[str, Any], key: str) -> float | None:
        if key not in table:
            return None
        seconds = seconds_of(table[key])
        if seconds is None:
            expected = f"{A_TIME}, or {{events = 50}}" if key == "after" else A_TIME
            self._unusable(key, table[key], expected)
        return seconds

    def _no_others(
        self, table: Mapping[str, Any], known: tuple[str, ...], what: str,
        inside: Place = (),
    ) -> None:  # fmt: skip
        for key in table:
            if key not in known:
                near = nearest(key, known)
                hint = f", nearest is {near!r}" if near else f"; it has {', '.join(known)}"
                self._wrong(key, f"{what} has no {key!r}{hint}", inside)

    def _unusable(self, key: str, value: object, expected: str, inside: Place = ()) -> None:
        self._wrong(key, f"{shown(value)} is not usable, expected {expected}", inside)

    def _wrong(self, key: str, why: str, inside: Place = ()) -> None:
        path = (*self._base, *inside, *((key,) if key else ()))
        self._problems.append(Problem(self._found.line(path), key, why))


def _misfits(step: Step, until_s: float | None, *, lasts: bool) -> list[tuple[str, str]]:
    """Which keys of a step do not go together, and why."""
    found = _of_ends(step, until_s, lasts=lasts)
    match step.when:
        case Each(seconds=period_s):
            if until_s is not None and until_s < period_s + step.jitter_s:
                found.append(("until", "comes before the first time: it counts from the start"))
            if step.jitter_s * 2 >= period_s:
                found.append(("jitter", "must be less than half of every"))
            if step.for_s is not None and step.for_s + 2 * step.jitter_s >= period_s:
                found.append(("for", "must be over before the next time"))
        case At(seconds=seconds) | After(seconds=seconds):
            if step.jitter_s > seconds:
                key = type(step.when).__name__.lower()
                found.append(("jitter", f"must not be longer than {key}"))
            if step.until_s is not None and lasts and step.until_s <= seconds + step.jitter_s:
                found.append(("until", "must be later than at: both count from the start"))
        case AfterSeen():
            if step.jitter_s:
                found.append(("jitter", "is of times, and after counts events"))
    return found


def _of_ends(step: Step, until_s: float | None, *, lasts: bool) -> list[tuple[str, str]]:
    name = type(step.fault).__name__
    if not lasts:
        why = f"{name} is over by itself; those that last are {_lasting()}"
        return [(key, why) for key, s in (("for", step.for_s), ("until", step.until_s)) if s]
    found = []
    if isinstance(step.when, After | AfterSeen) and until_s is not None:
        found.append(("until", "counts from the start, and after does not: say for = … instead"))
    elif step.for_s is not None and step.until_s is not None:
        found.append(("for", "needs no until beside it: either ends the fault"))
    if isinstance(step.when, Each) and step.for_s is None:
        found.append(("every", f"{name} lasts: say with for = … how long each time"))
    if step.for_s == 0:
        found.append(("for", "must be longer than nothing"))
    return found


def _lasting() -> str:
    return ", ".join(sorted(kind.__name__ for kind in LASTING))
