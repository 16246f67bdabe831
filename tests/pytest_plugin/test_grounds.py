"""The fixture and its marker on both grounds, by what pytest says of tests that use it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.pytest_plugin.trying import AUTO, HEAD, NONE, STRICT, WAYS, run, said

pytest_plugins = "pytester"


# --- real time ---


@pytest.mark.parametrize("way", [STRICT, AUTO], ids=["strict", "auto"])
def test_each_test_has_an_exchange_of_its_own(
    pytester: pytest.Pytester, way: tuple[str, ...]
) -> None:
    result = run(
        pytester,
        """
pytestmark = pytest.mark.asyncio
ports = set()

@pytest.mark.parametrize("_", range(2))
async def test_events(mockex, _):
    assert not isinstance(asyncio.get_running_loop(), SimLoop)
    assert mockex.live("ethusdc@depth5@100ms") == 0
    async with connect(mockex.ws_url + STREAM) as ws:
        assert '"lastUpdateId"' in await ws.recv()
        assert mockex.live("ethusdc@depth5@100ms") == 1
    ports.update((mockex.ws_port, mockex.rest_port))

async def test_they_are_closed():
    for port in ports:
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)
""",
        *way,
    )
    result.assert_outcomes(passed=3)


def test_a_test_on_another_loop_than_the_exchange_is_refused(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.mark.asyncio(loop_scope="module")
async def test_it(mockex): pass
""",
    )
    result.assert_outcomes(errors=1)
    said(
        result,
        "fixture 'mockex' has the event loop of the function, the test that of the module: set"
        " asyncio_default_fixture_loop_scope = module",
    )


def test_a_fixture_of_the_user_can_ask_for_it(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture
async def feed(mockex):
    async with connect(mockex.ws_url + STREAM) as ws:
        yield ws

async def test_it(feed):
    assert await feed.recv()
""",
    )
    result.assert_outcomes(passed=1)


def test_a_def_test_cannot_have_an_exchange(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_it(mockex): pass")
    result.assert_outcomes(errors=1)
    said(
        result,
        "fixture 'mockex' needs an `async def` test: the event loop of the exchange stands still"
        " while a `def` test runs. What blocks can be called in one with `await asyncio.to_thread",
    )


def test_an_adapter_that_blocks_runs_in_a_thread(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
from websockets.sync.client import connect as blocking

def events(url):
    with blocking(url) as ws:
        return [ws.recv() for _ in range(3)]

async def test_it(mockex):
    assert len(await asyncio.to_thread(events, mockex.ws_url + STREAM)) == 3
""",
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("way", [STRICT, NONE], ids=["strict", "none"])
def test_where_nobody_runs_it_it_runs_all_the_same(
    pytester: pytest.Pytester, way: tuple[str, ...]
) -> None:
    result = run(
        pytester,
        """
@pytest.fixture
def plain(): return 3

@pytest.mark.mockex(seed=5)
async def test_it(mockex, make_mockex, plain):
    assert not isinstance(asyncio.get_running_loop(), SimLoop)
    assert (mockex.seed, (await make_mockex(seed=plain)).seed) == (5, 3)
    async with connect(mockex.ws_url + STREAM) as ws:
        await ws.recv()

async def test_fails(mockex):
    assert mockex.seed == 5
""",
        *way,
    )
    result.assert_outcomes(passed=1, failed=1)
    said(result, "assert 0 == 5", "mockex: seed 0, ground real, profile spot")


@pytest.mark.parametrize(
    "fixture",
    ["@pytest.fixture\nasync def late(): yield", "@pytest.fixture\ndef late(mockex): return 1"],
    ids=["async", "asks"],
)
def test_what_needs_somebody_to_run_it_says_whom(pytester: pytest.Pytester, fixture: str) -> None:
    result = run(pytester, f"{fixture}\nasync def test_it(mockex, late): pass", *NONE)
    result.assert_outcomes(errors=1)
    said(result, "nobody here runs fixture 'late': install pytest-asyncio (asyncio_mode = auto,")


def test_a_test_of_hypothesis_needs_somebody_to_run_it(pytester: pytest.Pytester) -> None:
    body = """
from hypothesis import given, strategies

@given(n=strategies.integers())
async def test_it(mockex, n): pass
"""
    result = run(pytester, body, *NONE)
    result.assert_outcomes(errors=1)
    said(result, "nobody here runs an `async def` test of hypothesis: install pytest-asyncio")


# --- the marker ---


@pytest.mark.parametrize("ground", ["real", "virtual"])
def test_the_marker_says_what_the_exchange_is(pytester: pytest.Pytester, ground: str) -> None:
    result = run(
        pytester,
        f"""
@pytest.mark.mockex(
    ground={ground!r}, profile="usdm", seed=3, symbols=["SOLUSDC"], market="frozen", speed=2.0,
    settings={{"lifetime_s": 0.5}}, faults=[RefuseUpgrade(status=503)],
)
async def test_it(mockex):
    assert isinstance(asyncio.get_running_loop(), SimLoop) == ({ground!r} == "virtual")
    assert (mockex.profile.name, mockex.seed, mockex.clock.speed) == ("usdm", 3, 2.0)
    assert (mockex.profile.lifetime_s, mockex.market.kind) == (0.5, "frozen")
    assert mockex.publisher.serves(parse("solusdc@trade"))
    with pytest.raises(Exception, match="503"):
        await connect(mockex.ws_url + STREAM)
""",
    )
    result.assert_outcomes(passed=1)


def test_the_nearest_marker_wins_argument_by_argument(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
pytestmark = pytest.mark.mockex(ground="virtual", profile="usdm", seed=1)

@pytest.mark.mockex(seed=2)
class TestBoth:
    async def test_class(self, mockex):
        assert (mockex.profile.name, mockex.seed) == ("usdm", 2)

    @pytest.mark.mockex(seed=3)
    async def test_function(self, mockex):
        assert (mockex.profile.name, mockex.seed) == ("usdm", 3)

    @pytest.mark.parametrize("seed", [pytest.param(4, marks=pytest.mark.mockex(seed=4))])
    async def test_case(self, mockex, seed):
        assert mockex.seed == seed

    @pytest.mark.mockex(ground="real")
    async def test_ground(self, mockex):
        assert not isinstance(asyncio.get_running_loop(), SimLoop)
""",
    )
    result.assert_outcomes(passed=4)


def test_a_marker_that_a_conftest_adds_counts(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.mockex(ground="virtual", seed=9))
"""
    )
    result = run(
        pytester,
        """
async def test_it(mockex):
    assert mockex.seed == 9 and isinstance(asyncio.get_running_loop(), SimLoop)
""",
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "text"),
    [
        ("sed=7", "marker mockex takes no argument 'sed'; did you mean 'seed'? It takes profile,"),
        ("'usdm'", "marker mockex takes arguments by name, not 'usdm'"),
        ("ground='virtul'", "marker mockex: ground 'virtul' is neither 'real' nor 'virtual'"),
    ],
)
def test_a_wrong_marker_is_refused_and_the_others_run(
    pytester: pytest.Pytester, marker: str, text: str
) -> None:
    body = f"""
@pytest.mark.mockex({marker})
async def test_wrong(mockex): pass

async def test_right(mockex): pass
"""
    result = run(pytester, body)
    result.assert_outcomes(errors=1, passed=1)
    said(result, "ERROR at setup of test_wrong", text)
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_a_skipped_test_is_skipped_whatever_it_asks_for(pytester: pytest.Pytester) -> None:
    run(pytester, "@pytest.mark.skip\n@DAY\ndef test_it(): pass").assert_outcomes(skipped=1)


@pytest.mark.parametrize("ground", ["real", "virtual"])
def test_what_the_exchange_refuses_is_told(pytester: pytest.Pytester, ground: str) -> None:
    result = run(
        pytester,
        f"""
@pytest.mark.mockex(ground={ground!r}, profile="spt")
async def test_it(mockex): pass
""",
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said(result, "profile: 'spt' is not usable, expected one of spot, usdm")


def test_pytest_knows_the_marker(pytester: pytest.Pytester) -> None:
    run(pytester, "@DAY\nasync def test_it(mockex): pass", "--strict-markers").assert_outcomes(
        passed=1
    )
    said(
        run(pytester, "", "--markers"),
        "@pytest.mark.mockex(profile, seed, symbols, market, step_ms, rate, volatility, loop,"
        " lenient, settings, speed, faults, ground): ",
    )


# --- virtual time ---


@WAYS
def test_a_day_passes_at_once_whatever_runs_async_tests(
    pytester: pytest.Pytester, way: tuple[str, ...]
) -> None:
    result = run(
        pytester,
        """
import os

@pytest.fixture
def plain(tmp_path, monkeypatch):
    monkeypatch.setenv("PLAIN", "yes")
    yield tmp_path
    assert (tmp_path / "file").read_text() == "86400"

class TestDay:
    @DAY
    @pytest.mark.parametrize("stream", ["ethusdc@depth5", "btcusdc@trade"])
    async def test_it(self, mockex, stream, plain, capsys):
        began = time.time()
        async with connect(f"{mockex.ws_url}/ws/{stream}", ping_interval=None) as ws:
            assert [text async for text in ws] == []
            assert (ws.close_code, ws.close_reason) == (1001, "")
        print(os.environ["PLAIN"], isinstance(asyncio.get_running_loop(), SimLoop))
        assert capsys.readouterr().out == "yes True\\n"
        (plain / "file").write_text(f"{time.time() - began:.0f}")

@DAY
async def test_without_an_exchange():
    await asyncio.sleep(86400)

def test_the_machine_is_back():
    assert 0 < time.time() - random.randint(1, 9)
    began = time.monotonic()
    time.sleep(0.001)
    assert time.monotonic() > began
""",
        *way,
    )
    result.assert_outcomes(passed=4)


@pytest.mark.parametrize("way", [STRICT, AUTO], ids=["strict", "auto"])
def test_virtual_and_real_tests_stand_side_by_side(
    pytester: pytest.Pytester, way: tuple[str, ...]
) -> None:
    result = run(
        pytester,
        """
pytestmark = pytest.mark.asyncio(loop_scope="session")
loops = []

@pytest.mark.parametrize("ground", [
    "real",
    pytest.param("virtual", marks=pytest.mark.mockex(ground="virtual")),
    "real again",
])
async def test_it(mockex, ground):
    async with connect(mockex.ws_url + STREAM) as ws:
        await ws.recv()
    loops.append(asyncio.get_running_loop())
    assert isinstance(loops[-1], SimLoop) == (ground == "virtual")

async def test_the_session_had_one_loop():
    first, virtual, last = loops
    assert first is last is asyncio.get_running_loop() is not virtual
""",
        *way,
        "-oasyncio_default_fixture_loop_scope=session",
    )
    result.assert_outcomes(passed=4)


def test_the_seed_of_the_marker_decides_all_chance(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
drawn = []

@pytest.mark.parametrize("seed", [
    pytest.param(seed, marks=pytest.mark.mockex(ground="virtual", seed=seed)) for seed in (1, 1, 2)
], ids=str)
async def test_it(mockex, seed):
    async with connect(mockex.ws_url + STREAM) as ws:
        drawn.append((random.random(), time.time(), await ws.recv(), time.monotonic()))

def test_drawn():
    assert drawn[0] == drawn[1]
    assert not set(drawn[0]) & set(drawn[2]) - {drawn[2][1]}
""",
    )
    result.assert_outcomes(passed=4)


def test_faults_of_the_link_are_for_virtual_time(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.mark.mockex(ground="virtual", faults=[Latency(delay_ms=3000)])
async def test_late(mockex):
    began = time.monotonic()
    async with connect(mockex.ws_url + STREAM) as ws:
        assert time.monotonic() - began > 3
        await ws.recv()

@pytest.mark.mockex(faults=[Latency(delay_ms=3000)])
async def test_refused(mockex): pass
""",
    )
    result.assert_outcomes(passed=1, errors=1)
    said(result, "FaultError: Latency is about bytes on a link")


@WAYS
def test_a_failing_test_is_shown_with_seed_and_replay(
    pytester: pytest.Pytester, way: tuple[str, ...]
) -> None:
    result = run(
        pytester,
        """
@DAY
@pytest.mark.parametrize("n", [1])
async def test_it(mockex, n):
    assert n == 2
""",
        *way,
    )
    result.assert_outcomes(failed=1)
    said(
        result,
        ">       assert n == 2",
        "E       assert 1 == 2",
        "- mockex -",
        "mockex: seed 7, ground virtual",
        "again: pytest 'test_it.py::test_it[1]'",
    )


def test_a_failing_real_test_is_shown_with_its_seed_and_a_passing_one_is_not(
    pytester: pytest.Pytester,
) -> None:
    body = "\nasync def test_it(mockex):\n    assert mockex.seed == "
    said(run(pytester, body + "1"), "mockex: seed 0, ground real")
    run(pytester, body + "0", "-rP", *AUTO).stdout.no_fnmatch_line("*ground real*")


@WAYS
def test_what_a_test_leaves_behind_fails_it(
    pytester: pytest.Pytester, way: tuple[str, ...]
) -> None:
    result = run(
        pytester,
        """
@DAY
async def test_task(mockex):
    kept = asyncio.create_task(asyncio.sleep(9), name="forgotten")

@DAY
async def test_timer():
    asyncio.get_running_loop().call_later(9, print)

@DAY
async def test_socket(mockex):
    open_for_ever = await connect(mockex.ws_url + STREAM)
""",
        *way,
        "-W",
        "ignore:unclosed transport",  # of what was left
        subprocess=True,
    )
    result.assert_outcomes(failed=3)
    said(
        result,
        "test_task",
        "left behind at the end:",
        "task forgotten (sleep), made at ",
        "mockex: seed 7, ground virtual",
        "test_timer",
        "timer print, made at ",
        "test_socket",
        "socket ESTABLISHED 127.0.0.1:40002",
        "- mockex.errors.Leaked: left behind",
    )
    result.stdout.no_fnmatch_line("*in runtest*")


def test_a_test_that_waits_for_nothing_fails_at_once(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@DAY
async def test_it(mockex):
    await asyncio.Event().wait()
""",
    )
    result.assert_outcomes(failed=1)
    said(result, "nothing is ready and no timer is left; what waits:", ", waits at ")


def test_what_cannot_be_simulated_is_shown_in_the_test(pytester: pytest.Pytester) -> None:
    result = run(pytester, "\n@DAY\nasync def test_it(mockex):\n    time.sleep(1)\n")
    result.assert_outcomes(failed=1)
    said(result, ">       time.sleep(1)", "NotSimulated: time.sleep is not simulated (at ")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("@DAY\ndef test_it(mockex): pass", "ground 'virtual' needs an `async def` test;"),
        (
            "@DAY\nclass TestIt(unittest.IsolatedAsyncioTestCase):\n async def test_it(_): pass",
            "ground 'virtual' is not for methods of unittest.TestCase",
        ),
        (
            "@pytest.fixture\nasync def late(): yield\n@DAY\nasync def test_it(late): pass",
            "async fixture 'late' cannot run in virtual time: it has another event loop",
        ),
        (
            "@pytest.fixture(autouse=True)\nasync def late(): 0\n@DAY\nasync def test_it(): pass",
            "async fixture 'late' cannot run in virtual time: it has another event loop",
        ),
        (
            "@pytest.fixture\ndef port(mockex): pass\n@DAY\nasync def test_it(port): pass",
            "fixture 'port' asks for 'mockex': in virtual time only the test itself can",
        ),
    ],
    ids=["def", "unittest", "async fixture", "autouse", "indirect"],
)
@pytest.mark.parametrize("way", [STRICT, AUTO], ids=["strict", "auto"])
def test_what_cannot_run_in_virtual_time_is_refused(
    pytester: pytest.Pytester, way: tuple[str, ...], body: str, text: str
) -> None:
    result = run(pytester, body, *way)
    result.assert_outcomes(errors=1)
    said(result, "ERROR at setup of ", text)


# --- other plug-ins ---


def test_under_xdist_too(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@DAY
async def test_day(mockex):
    await asyncio.sleep(86400)

@pytest.mark.mockex(sed=1)
async def test_wrong(mockex): pass
""",
        *AUTO,
        "-n1",
        subprocess=True,
    )
    result.assert_outcomes(passed=1, errors=1)
    said(result, "takes no argument 'sed'; did you mean 'seed'?")


def python(*lines: str) -> subprocess.CompletedProcess[str]:
    """A program of its own, without the plug-ins that are installed."""
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, env=env
    )


def test_nothing_of_ours_needs_pytest() -> None:
    done = python("import sys", "sys.modules['pytest'] = None", "import mockex.cli, mockex.sim")
    assert done.returncode == 0, done.stderr


def test_pytest_asyncio_may_be_missing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=HEAD + "@DAY\nasync def test_it(mockex): await asyncio.sleep(9)")
    done = python(
        "import sys, pytest",
        "sys.modules['pytest_asyncio'] = None",
        "sys.exit(pytest.main(['-W', 'error', '-p', 'mockex.pytest_plugin', 'test_it.py']))",
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
