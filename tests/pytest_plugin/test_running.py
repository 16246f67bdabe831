"""Tests at an exchange that runs already, and workers of pytest-xdist."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.programs import ready, serving
from tests.pytest_plugin.trying import AUTO, run, said

pytest_plugins = "pytester"


@pytest.fixture(scope="module")
def running() -> Iterator[list[str]]:
    """Admin URLs of two exchanges, each in a process of its own."""
    with serving("--profile=spot", "--seed=3") as one, serving("--profile=spot", "--seed=3") as two:
        yield [ready(one)["admin"], ready(two)["admin"]]


def test_tests_use_a_running_exchange_and_each_finds_it_clean(
    pytester: pytest.Pytester, running: list[str]
) -> None:
    result = run(
        pytester,
        """
@pytest.mark.parametrize("_", range(2))
@pytest.mark.mockex(profile="spot", seed=3)
async def test_it(mockex, _):
    assert (mockex.seed, mockex.live("ethusdc@depth5@100ms")) == (3, 0)
    assert not [*mockex.journal.of(Attempted)]
    async with connect(mockex.ws_url + STREAM) as ws:
        await ws.recv()
        assert mockex.live("ethusdc@depth5@100ms") == 1
        await mockex.inject(Reset()).seen(within_s=5)
    mockex.inject(RefuseUpgrade(status=503, attempts=99))

@pytest.mark.mockex(faults=[RefuseUpgrade(status=503)])
async def test_faults(mockex):
    with pytest.raises(Exception, match="503"):
        await connect(mockex.ws_url + STREAM)

@DAY
async def test_virtual_time_has_its_own(mockex):
    assert isinstance(asyncio.get_running_loop(), SimLoop) and mockex.seed == 7
""",
        f"--mockex-url={running[0]}",
        *AUTO,
    )
    result.assert_outcomes(passed=4)
    said(result, f"mockex: seed 0, profile spot, exchange at {running[0]}")


def test_a_failure_at_a_running_exchange_is_told_too(
    pytester: pytest.Pytester, running: list[str]
) -> None:
    body = """
async def test_it(mockex):
    async with connect(mockex.ws_url + STREAM) as ws:
        assert not await ws.recv()
"""
    result = run(pytester, body, f"--mockex-url={running[0]}", "--mockex-journal-dir=j", *AUTO)
    result.assert_outcomes(failed=1)
    said(result, "what happened at the exchange (ws://", " opened /ws/ethusdc@depth5@100ms")
    assert len([*(pytester.path / "j").iterdir()]) == 1


def test_assertions_of_the_suite_judge_a_running_exchange(
    pytester: pytest.Pytester, running: list[str]
) -> None:
    body = """
from mockex_conformance.testing import *

async def read(ws):
    async for _ in ws: pass

async def test_it(mockex):
    async with connect(mockex.ws_url + STREAM) as ws:
        reading = asyncio.create_task(read(ws))
        await assert_single_delivery(mockex, watch_s=0.2)
        await assert_flat_traffic(mockex, steps=3)
        async with connect(mockex.ws_url + STREAM):
            with pytest.raises(AssertionError, match="is delivered on 2 live connections"):
                await assert_single_delivery(mockex)
        await mockex.inject(Reset()).seen(within_s=5)
        with pytest.raises(AssertionError, match="no events of .*; there was no attempt to conn"):
            await assert_recovers(mockex, within_s=0.3)
        await asyncio.wait([reading])
"""
    result = run(pytester, body, f"--mockex-url={running[0]}", *AUTO)
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            "@pytest.mark.mockex(seed=4)\nasync def test_it(mockex): pass",
            "the test asks for seed 4, and the exchange at http://",
        ),
        (
            "@pytest.mark.mockex(profile='usdm')\nasync def test_it(mockex): pass",
            "the test asks for profile 'usdm', and the exchange at http://",
        ),
        (
            "@pytest.mark.mockex(speed=2.0)\nasync def test_it(mockex): pass",
            "--mockex-url: speed=2.0 is for an exchange of the test's own",
        ),
        (
            "async def test_it(make_mockex): pass",
            "--mockex-url: fixture 'make_mockex' opens exchanges of the test's own",
        ),
    ],
    ids=["seed", "profile", "setting", "several"],
)
def test_what_a_running_exchange_is_not_is_refused(
    pytester: pytest.Pytester, running: list[str], body: str, text: str
) -> None:
    result = run(pytester, body, f"--mockex-url={running[0]}", *AUTO)
    result.assert_outcomes(errors=1)
    said(result, text)


def test_where_nobody_answers_it_is_said(pytester: pytest.Pytester) -> None:
    result = run(
        pytester, "async def test_it(mockex): pass", "--mockex-url=http://127.0.0.1:1", *AUTO
    )
    result.assert_outcomes(errors=1)
    said(
        result, "ConfigError: --mockex-url: 'http://127.0.0.1:1' is not usable, expected the admin"
    )


def test_workers_do_not_share_a_running_exchange(
    pytester: pytest.Pytester, running: list[str]
) -> None:
    result = run(
        pytester, "async def test_it(mockex): pass", f"--mockex-url={running[0]}", "-n2", *AUTO,
        subprocess=True,
    )  # fmt: skip
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*1 running exchange for 2 workers of pytest-xdist: a fault*"])


WORKERS = """
@pytest.mark.parametrize("n", range(2))
async def test_it(mockex, n, tmp_path_factory):
    shared = tmp_path_factory.getbasetemp().parent
    (shared / f"port-{n}").write_text(mockex.ws_url)
    while not (shared / f"port-{1 - n}").exists():  # the other worker has its own by now
        await asyncio.sleep(0.01)
    while not (other := (shared / f"port-{1 - n}").read_text()):
        await asyncio.sleep(0.01)
    assert other != mockex.ws_url
"""


def test_each_worker_has_an_exchange_of_its_own(
    pytester: pytest.Pytester, running: list[str]
) -> None:
    for more in ((), (f"--mockex-url={','.join(running)}",)):
        result = run(pytester, WORKERS, "-n2", "--maxschedchunk=1", *AUTO, *more, subprocess=True)
        result.assert_outcomes(passed=2)
