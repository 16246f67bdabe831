"""Several exchanges, settings, and what is told beside a failure."""

from __future__ import annotations

import json

import pytest

from tests.pytest_plugin.trying import AUTO, STRICT, run, said

pytest_plugins = "pytester"


# --- several exchanges ---


@pytest.mark.parametrize("way", [STRICT, AUTO], ids=["strict", "auto"])
@pytest.mark.parametrize("ground", ["real", "virtual"])
def test_a_test_has_as_many_exchanges_as_it_makes(
    pytester: pytest.Pytester, way: tuple[str, ...], ground: str
) -> None:
    result = run(
        pytester,
        f"""
pytestmark = pytest.mark.asyncio
made = []

@pytest.mark.mockex(ground={ground!r}, seed=5)
async def test_it(make_mockex, mockex):
    one = await make_mockex()
    other = await make_mockex(profile="usdm", seed=6, faults=[RefuseUpgrade(status=503)])
    assert (one.seed, one.profile.name, other.seed, other.profile.name) == (5, "spot", 6, "usdm")
    assert len({{one.ws_url, other.ws_url, mockex.ws_url}}) == 3
    async with connect(one.ws_url + STREAM) as ws:
        await ws.recv()
        assert (one.live("ethusdc@depth5@100ms"), other.live("ethusdc@depth5@100ms")) == (1, 0)
    with pytest.raises(Exception, match="503"):
        await connect(other.ws_url + "/public" + STREAM)
    made.extend([one, other])

async def test_they_are_closed():
    for exchange in made:
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", exchange.ws_port)
""",
        *way,
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("ground", ["real", "virtual"])
@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("sed=1", "make_mockex takes no argument 'sed'; did you mean 'seed'?"),
        ("ground='real'", "make_mockex: the ground is the test's, and stands in its marker"),
    ],
)
def test_what_cannot_be_made_is_refused(
    pytester: pytest.Pytester, ground: str, asked: str, text: str
) -> None:
    result = run(
        pytester,
        f"""
@pytest.mark.mockex(ground={ground!r})
async def test_it(make_mockex):
    await make_mockex({asked})
""",
    )
    result.assert_outcomes(failed=1)
    said(result, text)


def test_each_exchange_of_a_failed_test_is_told(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.mark.mockex(ground="virtual")
async def test_it(make_mockex):
    one, other = await make_mockex(), await make_mockex(seed=8)
    async with connect(other.ws_url + STREAM) as ws:
        assert not await ws.recv()
""",
    )
    said(
        result,
        "nobody came to exchange 1 of 2 (ws://127.0.0.1:40000)",
        "what happened at exchange 2 of 2 (ws://127.0.0.1:40002), by seconds:",
        "  c1 opened /ws/ethusdc@depth5@100ms",
    )


# --- settings ---

WHICH = """
async def test_it(mockex):
    assert (mockex.seed, mockex.profile.name) == (4, "usdm")

@pytest.mark.mockex(seed=9, profile="spot")
async def test_marked(mockex):
    assert (mockex.seed, mockex.profile.name) == (9, "spot")
"""


def test_the_command_line_decides_where_a_marker_does_not(pytester: pytest.Pytester) -> None:
    result = run(pytester, WHICH, "--mockex-seed=4", "--mockex-profile=usdm", *AUTO)
    result.assert_outcomes(passed=2)
    said(result, "mockex: seed 4, profile usdm")


def test_the_configuration_decides_where_the_command_line_does_not(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeini("[pytest]\nmockex_seed = 3\nmockex_profile = usdm\nmockex_journal_dir = kept")
    result = run(pytester, WHICH, "--mockex-seed=4", *AUTO)
    result.assert_outcomes(passed=2)
    where = pytester.path / "kept"
    said(result, f"mockex: seed 4, profile usdm, journals of failed tests in {where}")
    assert not where.exists()


def test_a_seed_that_is_none_is_refused_at_once(pytester: pytest.Pytester) -> None:
    result = run(pytester, WHICH, "--mockex-seed=x")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*mockex: seed 'x' is no whole number*"])


def test_a_failure_is_run_again_with_the_seed_of_the_command_line(
    pytester: pytest.Pytester,
) -> None:
    body = "async def test_it(mockex): assert not mockex.seed\n"
    said(
        run(pytester, body, "--mockex-seed=4", *AUTO),
        "mockex: seed 4, ground real, profile spot",
        "again: pytest test_it.py::test_it --mockex-seed=4",
    )


# --- what happened, beside a failure ---

FAILS = """
@pytest.mark.mockex(ground="virtual", seed=7)
async def test_it(mockex):
    async with connect(mockex.ws_url + STREAM) as ws:
        await ws.recv()
        await mockex.inject(Reset()).seen()
        assert not mockex.seed
"""
HAPPENED = (
    "what happened at the exchange (ws://127.0.0.1:40000), by seconds:",
    "  c1 opened /ws/ethusdc@depth5@100ms",
    "  1 event of ethusdc@depth5@100ms to c1",
    "  fault 1 Reset injected",
    "  c1 ended by the exchange: RST without a close frame",
    "  fault 1 Reset seen on c1",
)


@pytest.mark.parametrize("more", [(), ("-n1",), ("--tb=short",)], ids=["plain", "xdist", "short"])
def test_a_failed_test_is_shown_with_what_happened(
    pytester: pytest.Pytester, more: tuple[str, ...]
) -> None:
    result = run(pytester, FAILS, *AUTO, *more, "--junitxml=it.xml", subprocess=bool(more))
    said(result, *HAPPENED)
    xml = (pytester.path / "it.xml").read_text()
    assert all(line in xml for line in HAPPENED)


def test_only_the_last_lines_of_many_are_shown(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@DAY
async def test_it(mockex):
    for _ in range(20):
        async with connect(mockex.ws_url + STREAM): pass
    assert False
""",
    )
    said(
        result,
        ", by seconds, the last 30 of 40 lines:",
        "c20 closed by the client: close frame 1000, answered",
    )
    result.stdout.no_fnmatch_line("*c1 opened*")


@pytest.mark.parametrize("fails", ["pytest.fail('so', pytrace=False)", "raise KeyError(1)"])
def test_a_failure_of_any_kind_is_shown_with_it(pytester: pytest.Pytester, fails: str) -> None:
    result = run(
        pytester,
        f"""
@DAY
async def test_it(mockex):
    async with connect(mockex.ws_url + STREAM): {fails}
""",
    )
    said(result, "- mockex -", "seed 7, ground virtual", "  c1 opened /ws/ethusdc@depth5@100ms")


@pytest.mark.parametrize("ground", ["real", "virtual"])
def test_the_whole_journal_of_a_failed_test_is_left(pytester: pytest.Pytester, ground: str) -> None:
    body = f"""
@pytest.mark.mockex(ground={ground!r})
@pytest.mark.parametrize("n", [0, 1])
async def test_it(mockex, n):
    async with connect(mockex.ws_url + STREAM) as ws:
        await ws.recv()
        assert n == 0
"""
    result = run(pytester, body, "--mockex-journal-dir=j", *AUTO)
    result.assert_outcomes(passed=1, failed=1)
    (file,) = (pytester.path / "j").iterdir()
    assert file.name.startswith("test_it.py-test_it-1-")
    said(result, f"its whole journal: {file}")
    kinds = [json.loads(line)["type"] for line in file.read_text().splitlines()]
    assert kinds[:3] == ["opened", "attempted", "upgraded"]
    assert "delivered" in kinds


def test_a_journal_that_cannot_be_written_is_no_second_failure(pytester: pytest.Pytester) -> None:
    (pytester.path / "j").write_text("")
    result = run(pytester, FAILS, "--mockex-journal-dir=j", *AUTO)
    result.assert_outcomes(failed=1)
    said(result, "its whole journal: not written: ")
