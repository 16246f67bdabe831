"""A thin line: the verdicts on clients of a few lines, in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockex_conformance.case import all_cases
from mockex_conformance.description import Description, Limits
from mockex_conformance.harness import batches
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.plan import Plan
from mockex_conformance.verdict import CaseVerdict, Verdict

pytestmark = pytest.mark.timeout(120)

# `HOW` it takes it that events are late: see the tests.
CLIENT = """\
import asyncio, json
from urllib.parse import urlsplit
from websockets.asyncio.client import connect

HOW = {how!r}


async def main(environ, stdin, stdout):
    freshest, others, began = 1e18, [], asyncio.get_running_loop().time()

    def lags(message):
        nonlocal freshest
        if "E" not in message["data"]:
            return False
        late = asyncio.get_running_loop().time() - message["data"]["E"] / 1000
        freshest = min(freshest, late)
        return late > freshest + 0.5

    async def one_more():
        async with connect(url, proxy=None, ping_interval=None) as ws:
            async for _ in ws:
                pass

    async def session():
        async with connect(url, proxy=None, ping_interval=None) as ws:
            async for text in ws:
                if not lags(json.loads(text)) or others:
                    continue
                others.append(HOW)
                if HOW == "gives-up":
                    return True
                if HOW == "once":
                    return False
                if HOW == "one-more":
                    others.append(asyncio.create_task(one_more()))
                if HOW == "sockets":
                    at = urlsplit(url)
                    for _ in range(3):
                        others.append(await asyncio.open_connection(at.hostname, at.port))
                if HOW == "answers-no-more":
                    ws.protocol.recv_frame, take = None, ws.protocol.recv_frame
                    ws.protocol.recv_frame = lambda f: None if f.opcode == 9 else take(f)

    streams = environ["MOCKEX_STREAMS"].replace(",", "/")
    route = "/public" if "depth" in streams else "/market"
    route = "" if environ["MOCKEX_PROFILE"] == "spot" else route
    url = environ["MOCKEX_WS_URL"] + route + "/stream?streams=" + streams
    while True:
        try:
            if await session():
                await asyncio.Event().wait()
        except OSError:
            pass
        await asyncio.sleep(0.05)
"""


def judged(tmp_path: Path, how: str, profile: str = "usdm") -> CaseVerdict:
    (tmp_path / "client.py").write_text(CLIENT.format(how=how))
    limits = Limits(reconnect_first_ms=1000, reconnect_cap_ms=1000, takeover_ms=500, close_ms=500)
    testee = Description(
        name="t", command=["false"], entry="client:main", cwd=tmp_path, limits=limits
    )
    cases = [c for c in all_cases().values() if c.number == "SLOW-04"]
    plan = Plan(
        testees=[testee], cases=cases, out=tmp_path / "out", profiles=[profile],
        ground=Ground.VIRTUAL,
    )  # fmt: skip
    (verdict,) = batches.run(plan, lambda _: None)
    return verdict


@pytest.mark.parametrize("profile", ["spot", "usdm"])
@pytest.mark.parametrize("how", ["waits", "once"])
def test_who_waits_and_who_tries_it_once_with_another_connection_pass(
    tmp_path: Path, how: str, profile: str
) -> None:
    verdict = judged(tmp_path, how, profile)
    assert verdict.verdict is Verdict.PASS, verdict


@pytest.mark.parametrize(
    ("how", "check", "says"),
    [
        ("gives-up", "recovered", "not recovered: no events of ethusdc@aggTrade, btcusdc@aggTrade"),
        ("one-more", "deliveries_at_most", "stream "),
        ("sockets", "sockets_at_most", "4 sockets to the exchange at once, 1 before the fault"),
        ("answers-no-more", "lag_gone", "ethusdc@aggTrade and 3 more"),
    ],
)
def test_what_else_a_thin_line_must_not_lead_to_fails(
    tmp_path: Path, how: str, check: str, says: str
) -> None:
    verdict = judged(tmp_path, how)
    assert verdict.verdict is Verdict.FAIL, verdict
    found = {finding.check: finding.message for finding in verdict.findings}
    assert found[check].startswith(says)
