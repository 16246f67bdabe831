"""Trades on their way to the consumer: the verdicts that none of the suite's own testees gets, from
testees of a few lines, in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockex_conformance.case import all_cases
from mockex_conformance.description import Description, Limits
from mockex_conformance.harness import batches
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.run import CaseRun
from mockex_conformance.verdict import CaseVerdict, Verdict

pytestmark = pytest.mark.timeout(120)

# One connection, dialled again by nobody else. `HOW` it presents trades: see the tests.
CLIENT = """\
import asyncio, json
from urllib.parse import urlsplit
from websockets.asyncio.client import connect

HOW, SUPPORTS = {how!r}, {supports}


async def main(environ, stdin, stdout):
    def said(method, **params):
        stdout(json.dumps({{"jsonrpc": "2.0", "method": method, "params": params}}))

    async def fetched(first, behind):
        rest = urlsplit(environ["MOCKEX_REST_URL"])
        path = {{"spot": "/api/v3", "usdm": "/fapi/v1"}}[environ["MOCKEX_PROFILE"]]
        target = f"{{path}}/aggTrades?symbol=ETHUSDC&fromId={{first}}&limit=1000"
        reader, writer = await asyncio.open_connection(rest.hostname, rest.port)
        writer.write(f"GET {{target}} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n".encode())
        answer = await reader.read()
        writer.close()
        trades = json.loads(answer.partition(b"\\r\\n\\r\\n")[2])
        return [trade["a"] for trade in trades if trade["a"] < behind]

    last, lost, count = {{}}, 0, 0

    async def present(name, number):
        nonlocal count
        before = last.get(name, number - 1)
        if HOW == "nothing" or HOW == "mute-after-a-loss" and lost:
            return
        if HOW == "one-stream" and name.endswith("@trade"):
            return
        if number > before + 1 and HOW == "fills":
            for missed in await fetched(before + 1, number):
                said("event", stream=name, id=missed)
        elif number > before + 1 and HOW in ("tells", "again"):
            said("gap", stream=name, after=before, before=number)
        elif number > before + 1 and HOW == "tells-of-losses" and lost_before.get(name, 0) < lost:
            said("gap", stream=name, after=None, before=None)
        lost_before[name] = lost
        last[name] = number
        count += 1
        said("event", stream=name, id=count if HOW == "counts" else number)
        if HOW == "again" and count == 20:
            said("event", stream=name, id=number)

    lost_before = {{}}
    said("hello", protocol=1, name="x", version="1", supports=SUPPORTS)
    streams = environ["MOCKEX_STREAMS"].replace(",", "/")
    route = "" if environ["MOCKEX_PROFILE"] == "spot" else "/market" if "rade" in streams else "/public"
    while True:
        try:
            async with connect(
                environ["MOCKEX_WS_URL"] + route + "/stream?streams=" + streams, proxy=None
            ) as ws:
                async for text in ws:
                    event = json.loads(text)
                    data = event["data"]
                    if data.get("e") in ("trade", "aggTrade"):
                        await present(event["stream"], data["t"] if data["e"] == "trade" else data["a"])
        except Exception:
            pass
        lost += 1
        await asyncio.sleep(0.05)
"""  # noqa: E501 - a program
LIMITS = Limits(
    reconnect_first_ms=1000, reconnect_cap_ms=1000, handshake_timeout_ms=1500, stable_ms=500,
    close_ms=500, book_ready_ms=2000,
)  # fmt: skip


def judged(
    tmp_path: Path,
    how: str,
    profile: str = "usdm",
    *,
    supports: tuple[str, ...] = ("event", "gap"),
    **more: Any,
) -> CaseVerdict:
    (tmp_path / "program.py").write_text(CLIENT.format(how=how, supports=list(supports)))
    testee = Description(
        name="t", command=["false"], entry="program:main", cwd=tmp_path, level=1,
        **{"limits": LIMITS, **more},
    )  # fmt: skip
    cases = [c for c in all_cases().values() if c.number == "DATA-10"]
    plan = Plan(
        testees=[testee], cases=cases, out=tmp_path / "out", profiles=[profile],
        ground=Ground.VIRTUAL,
    )  # fmt: skip
    (verdict,) = batches.run(plan, lambda _: None)
    return verdict


def found(verdict: CaseVerdict) -> tuple[str, str]:
    """The first finding: its check, and what it says behind the name of the stream."""
    assert verdict.verdict is Verdict.FAIL, verdict
    first = verdict.findings[0]
    return first.check, first.message.partition(": ")[2]


@pytest.mark.parametrize("profile", ["spot", "usdm"])
def test_who_tells_of_each_hole_passes(tmp_path: Path, profile: str) -> None:
    verdict = judged(tmp_path, "tells", profile)
    assert verdict.verdict is Verdict.PASS, verdict
    assert verdict.notes == []  # the losses by the link were run


@pytest.mark.parametrize("profile", ["spot", "usdm"])
def test_without_a_link_the_exchange_does_what_the_link_would(
    tmp_path: Path, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def has_none(run: CaseRun, what: str) -> bool:
        run.notes.append(f"not run: {what}")
        return False

    monkeypatch.setattr(CaseRun, "has_link", has_none)
    verdict = judged(tmp_path, "tells", profile)
    assert verdict.verdict is Verdict.PASS, verdict
    assert verdict.notes == ["not run: LimitData, FinLink and Hold (the exchange does the like)"]
    told = judged(tmp_path, "tells-of-losses", profile)
    assert found(told)[0] == "once_in_order"


@pytest.mark.parametrize("profile", ["spot", "usdm"])
def test_who_fills_each_hole_over_rest_passes_without_a_gap(tmp_path: Path, profile: str) -> None:
    verdict = judged(tmp_path, "fills", profile, supports=("event",), max_streams=1)
    assert verdict.verdict is Verdict.PASS, verdict


@pytest.mark.parametrize("profile", ["spot", "usdm"])
def test_who_says_nothing_of_holes_fails(tmp_path: Path, profile: str) -> None:
    check, message = found(judged(tmp_path, "says-nothing", profile))
    assert check == "once_in_order"
    assert "skipped without a word before" in message


@pytest.mark.parametrize("profile", ["spot", "usdm"])
def test_who_tells_of_a_hole_after_each_loss_and_of_no_other_fails(
    tmp_path: Path, profile: str
) -> None:
    verdict = judged(tmp_path, "tells-of-losses", profile)
    assert found(verdict)[0] == "once_in_order"
    assert verdict.findings[0].fault.startswith("Resume")


def test_who_presents_a_trade_again_fails(tmp_path: Path) -> None:
    check, message = found(judged(tmp_path, "again"))
    assert check == "once_in_order"
    assert message.endswith("was presented twice")


def test_who_numbers_trades_by_himself_fails(tmp_path: Path) -> None:
    check, message = found(judged(tmp_path, "counts"))
    assert check == "once_in_order"
    assert message.startswith("event 1 was presented; 1")


def test_who_presents_nothing_after_a_loss_fails(tmp_path: Path) -> None:
    check, message = found(judged(tmp_path, "mute-after-a-loss"))
    assert check == "presented"
    assert "within 3.5 s neither it nor a later one was presented" in message


def test_who_lists_events_and_says_none_passes_nothing(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "nothing")
    assert verdict.verdict is Verdict.INCONCLUSIVE, verdict
    assert verdict.reason == "it lists `event` in `supports` and presented none"


def test_who_presents_one_of_two_streams_fails(tmp_path: Path) -> None:
    check, message = found(judged(tmp_path, "one-stream", "spot"))
    assert check == "presented"
    assert message.endswith("was presented; there was none")


def test_who_does_not_say_events_is_told_what_to_declare(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "tells", supports=("state",))
    assert verdict.verdict is Verdict.UNSUPPORTED, verdict
    assert verdict.reason == "needs `event` in `supports` of its `hello`"
