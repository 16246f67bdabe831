"""How long each recovery took, beside the time that it had."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mockex.server.journal import Noted
from mockex.server.words import span
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.moments import Moments, moments_of
from mockex_conformance.report.figures.rows import Row, rows
from mockex_conformance.verdict import CaseVerdict, Finding

_MOST = 12
# What was awaited, and the landmark that says that it came.
_AWAITED = {"awaiting-live": "live", "awaiting-recovery": "recovered", "well-again": "recovered"}


@dataclass(frozen=True, slots=True)
class Recovery:
    """One wait for data: `took_s` is None if they never came while the case went on."""

    after: str
    within_s: float
    took_s: float | None
    lasted_s: float  # how long it was awaited

    @property
    def missed(self) -> bool:
        """Whether it was too late; one that the end of the case cut short was not."""
        if self.took_s is None:
            return self.lasted_s >= self.within_s
        return self.took_s > self.within_s

    @property
    def told(self) -> str:
        """In words."""
        if self.took_s is not None:
            return span(self.took_s)
        return f"{'not in' if self.missed else 'cut at'} {span(self.lasted_s)}"


def recoveries(recording: Recording, moments: Moments) -> list[Recovery]:
    """Every wait for data of the case, in order."""
    found: list[Recovery] = []
    waiting: Noted | None = None
    since = 0.0
    for noted in recording.of(Noted):
        if noted.name == "no-attempt" and "within_s" in noted.detail:
            # Not even tried: the wait for data was not begun.
            within_s = float(noted.detail["within_s"])
            found.append(_made(recording, moments, noted, None, within_s))
        elif waiting is not None and noted.name == _AWAITED[waiting.name]:
            found.append(_made(recording, moments, waiting, noted.t - since, noted.t - since))
            waiting = None
        elif noted.name in _AWAITED and "within_s" in noted.detail:
            if waiting is not None:
                found.append(_made(recording, moments, waiting, None, noted.t - since))
            waiting, since = noted, noted.detail.get("since", noted.t)
    if waiting is not None:
        lasted_s = recording.began + moments.until_s - since
        found.append(_made(recording, moments, waiting, None, max(lasted_s, 0.0)))
    return found


def _made(
    recording: Recording, moments: Moments, waiting: Noted, took_s: float | None, lasted_s: float
) -> Recovery:
    at = waiting.t - recording.began
    faults = [mark for mark in moments.faults if mark.at_s <= at + 0.001]
    after = faults[-1].label if faults else "the loss"
    if waiting.name == "awaiting-live":
        after = "start"
    elif waiting.name == "well-again":
        after = "outage"
    return Recovery(after, float(waiting.detail["within_s"]), took_s, lasted_s)


def recovery(recording: Recording, verdict: CaseVerdict, _: Finding | None) -> Figure | None:
    """A bar for each recovery, with a mark at its deadline; None if nothing was awaited."""
    moments = moments_of(recording, verdict)
    every = recoveries(recording, moments)
    if not every:
        return None
    shown = _worst(every)
    title = "How long each recovery took"
    picture = rows(
        title,
        "seconds since the loss; dashed red: the deadline",
        [
            Row(
                label=one.after,
                value=one.lasted_s,
                limit=one.within_s,
                text=one.told,
                bad=one.missed,
            )
            for one in shown
        ],
    )
    return Figure("recovery", title, _sentence(every, shown), picture)


def _worst(every: list[Recovery]) -> list[Recovery]:
    """Those that came nearest to their deadline, or behind it, in order of time."""
    order = sorted(range(len(every)), key=lambda n: _share(every[n]), reverse=True)
    return [every[n] for n in sorted(order[:_MOST])]


def _share(one: Recovery) -> float:
    return one.lasted_s / max(one.within_s, 1e-9)


def _sentence(every: list[Recovery], shown: Iterable[Recovery]) -> str:
    took = sorted(one.took_s for one in every if one.took_s is not None)
    missed = [one for one in every if one.took_s is None and one.missed]
    told = f"{len(took)} of {len(every)} times data flowed again"
    if any(one.after == "start" for one in every):
        told += " (the start is one of them)"
    if took:
        told += f", after {span(took[0])}" + (f" to {span(took[-1])}" if len(took) > 1 else "")
    if missed:
        last = missed[-1]
        told += (
            f"; after {last.after} they did not within {span(last.lasted_s)}, and "
            f"{span(last.within_s)} were allowed"
        )
    left = len(every) - len(list(shown))
    return told + (f". {left} that were quicker are not drawn." if left else ".")
