"""Captures that cannot be replayed are refused by file, line and reason."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from mockex.errors import CaptureError, ConfigError
from mockex.profile import SPOT, USDM, Profile
from mockex.server.markets import make_market
from tests.market.capturing import EPOCH_MS, capture_of, lines_of


def line(t: float, stream: str, data: object) -> bytes:
    return json.dumps({"t": t, "stream": stream, "data": data}).encode() + b"\n"


def trade(number: int, t: float = EPOCH_MS, **changes: object) -> bytes:
    data = {"e": "trade", "E": EPOCH_MS, "s": "ETHUSDC", "t": number, "p": "1.00", "q": "2.000",
            "T": EPOCH_MS, "m": True, "M": True}  # fmt: skip
    return line(t, "ethusdc@trade", data | changes)


def diff(first: int, final: int, pu: int | None = None, **changes: object) -> bytes:
    data: dict[str, object] = {"e": "depthUpdate", "E": EPOCH_MS, "s": "ETHUSDC", "U": first,
                               "u": final}  # fmt: skip
    if pu is not None:
        data["pu"] = pu
    data |= {"b": [["1.00", "2.0"]], "a": []}
    return line(EPOCH_MS, "ethusdc@depth", data | changes)


def picture(last: int, stream: str = "ethusdc@depth", **changes: object) -> bytes:
    data = {"lastUpdateId": last, "bids": [["1.00", "2.0"]], "asks": [["1.01", "2.0"]]}
    return line(EPOCH_MS, stream, data | changes)


BAD: dict[str, tuple[Profile, list[bytes], int, str]] = {
    "nothing at all": (SPOT, [], 0, "empty: it holds no event"),
    "blank lines": (SPOT, [b"\n", b"  \n"], 2, "empty: it holds no event"),
    "a snapshot and nothing else": (SPOT, [picture(5)], 1, "empty: it holds no event"),
    "only what the snapshot holds": (SPOT, [diff(1, 3), picture(9)], 2, "older than the snapshot"),
    "no JSON": (SPOT, [trade(1), b"hello\n"], 2, "not a line of a capture"),
    "no object": (SPOT, [b"[1,2]\n"], 1, "not a line of a capture"),
    "no t": (SPOT, [b'{"stream":"a@trade","data":{}}\n'], 1, "missing required field `t`"),
    "no stream": (SPOT, [b'{"t":1800000000000,"data":{}}\n'], 1, "missing required field `stream`"),
    "no data": (SPOT, [b'{"t":1800000000000,"stream":"a@trade"}\n'], 1, "required field `data`"),
    "t that is no time": (SPOT, [trade(1, 12.0)], 1, "not a Unix time in ms or seconds"),
    "t in microseconds": (SPOT, [trade(1, 1.8e15)], 1, "not a Unix time in ms or seconds"),
    "a last line that is cut": (SPOT, [trade(1), trade(2)[:50]], 2, "cut: the last line"),
    "bytes that are no UTF-8": (SPOT, [b'{"t":1,"stream":"\xff","data":{}}\n'], 1, "not a line"),
    "a line before its time": (
        SPOT, [trade(1, EPOCH_MS + 5), trade(2, EPOCH_MS + 1)], 2, "t goes back by 4 ms",
    ),
    "another exchange": (SPOT, [line(EPOCH_MS, "BTC-USD", {})], 1, "another exchange: 'BTC-USD'"),
    "an upper-case symbol": (SPOT, [line(EPOCH_MS, "ETHUSDC@trade", {})], 1, "another exchange"),
    "a stream of usdm alone": (
        SPOT, [line(EPOCH_MS, "ethusdc@markPrice", {})], 1, "spot has no stream <symbol>@markPrice",
    ),
    "a stream of spot alone": (
        USDM, [line(EPOCH_MS, "ethusdc@avgPrice", {})], 1, "usdm has no stream <symbol>@avgPrice",
    ),
    "depth of usdm on spot": (SPOT, [diff(5, 6, 4)], 1, "this is usdm, depth has a member pu"),
    "depth of spot on usdm": (USDM, [diff(5, 6)], 1, "this is spot, depth has no member pu"),
    "pictures of spot on usdm": (USDM, [picture(5, "ethusdc@depth5")], 1, "this is spot"),
    "a ticker of usdm on spot": (
        SPOT, [line(EPOCH_MS, "a@bookTicker", {"e": "bookTicker", "u": 1})], 1, "this is usdm",
    ),
    "a ticker without a symbol": (
        USDM, [line(EPOCH_MS, "!bookTicker", {"e": "bookTicker", "u": 1})], 1, "s must be a symbol",
    ),
    "an object where rows must be": (
        SPOT, [line(EPOCH_MS, "!miniTicker@arr", {})], 1, "must be an array",
    ),
    "rows where an object must be": (SPOT, [line(EPOCH_MS, "a@trade", [])], 1, "must be an object"),
    "a number as payload": (SPOT, [line(EPOCH_MS, "a@trade", 5)], 1, "must be an object"),
    "a gap in the updates of spot": (
        SPOT, [diff(1, 3), diff(5, 6)], 2, "cut: U is 5 and the update before was 3",
    ),
    "a gap in the updates of usdm": (
        USDM, [diff(1, 3, 0), diff(8, 9, 5)], 2, "cut: pu is 5 and the update before was 3",
    ),
    "updates twice": (SPOT, [diff(1, 3), diff(1, 3)], 2, "out of order: update 3 after 3"),
    "updates backwards": (SPOT, [diff(5, 3)], 1, "out of order: update 3 after 5"),
    "an update without an id": (SPOT, [diff(1, 3, u=None)], 1, "u must be a whole number"),
    "an id that is true": (SPOT, [diff(1, 3, u=True)], 1, "u must be a whole number, not True"),
    "levels that are none": (SPOT, [diff(1, 3, b=[["1"]])], 1, "pairs of price and quantity"),
    "levels of numbers": (SPOT, [diff(1, 3, b=[[1.0, 2.0]])], 1, "pairs of price and quantity"),
    "levels of words": (SPOT, [diff(1, 3, b=[["one", "2"]])], 1, "pairs of price and quantity"),
    "no levels": (SPOT, [diff(1, 3, a=None)], 1, "pairs of price and quantity"),
    "a snapshot that does not join": (
        SPOT, [picture(5), diff(9, 12)], 2, "the snapshot is of update 5 and the first diff",
    ),
    "a picture without an id": (SPOT, [picture(5, lastUpdateId="5")], 1, "lastUpdateId must be"),
    "pictures backwards": (
        SPOT, [picture(5, "a@depth5"), picture(4, "a@depth5")], 2, "lastUpdateId 4 after 5",
    ),
    "a kline without a bar": (SPOT, [line(EPOCH_MS, "a@kline_1m", {})], 1, "k must be a bar"),
    "a bar without an end": (
        SPOT, [line(EPOCH_MS, "a@kline_1m", {"k": {"t": 1}})], 1, "T must be a whole number",
    ),
    "a time that is none": (SPOT, [line(EPOCH_MS, "a@avgPrice", {"E": "x"})], 1, "E must be"),
    "a row that is none": (SPOT, [line(EPOCH_MS, "!miniTicker@arr", [5])], 1, "be an object"),
    "an id beyond all": (SPOT, [trade(2**60)], 1, "t must be a whole number"),
    "a trade twice": (SPOT, [trade(4), trade(4)], 2, "out of order: t 4 after 4"),
    "trades backwards": (SPOT, [trade(4), trade(3)], 2, "out of order: t 3 after 4"),
    "a trade without a price": (SPOT, [trade(4, p=None)], 1, "pairs of price and quantity"),
    "a trade without a time": (SPOT, [trade(4, T="now")], 1, "T must be a whole number"),
    "a trade without a side": (SPOT, [trade(4, m=1)], 1, "m must be true or false"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_it_is_refused(what: str) -> None:
    profile, lines, number, reason = BAD[what]
    with pytest.raises(CaptureError) as caught:
        capture_of(profile, lines)
    error = caught.value
    assert (error.file, error.line) == ("test.ndjson", number)
    assert reason in error.reason
    where = f"test.ndjson:{number}: " if number else "test.ndjson: "
    assert str(error) == where + error.reason
    assert isinstance(error, ConfigError)


def test_lenient_leaves_bad_lines_out_and_names_them() -> None:
    lines = [b"junk\n", trade(1), line(EPOCH_MS, "BTC-USD", {}), trade(2), trade(3)[:40]]
    capture = capture_of(SPOT, lines, lenient=True)
    assert [kept.number for kept in capture.lines] == [2, 4]
    assert [number for number, _ in capture.skipped] == [1, 3, 5]
    assert "another exchange" in capture.skipped[1][1]
    with pytest.raises(CaptureError, match=r"empty: it holds no event, 1 bad lines"):
        capture_of(SPOT, [b"junk\n"], lenient=True)


def test_lenient_keeps_what_comes_behind_a_gap() -> None:
    lines = [diff(1, 3), diff(6, 8), diff(9, 9)]
    capture = capture_of(SPOT, lines, lenient=True)
    assert [kept.number for kept in capture.lines] == [1, 2, 3]
    assert capture.skipped == [(2, "cut: U is 6 and the update before was 3")]
    apart = capture_of(SPOT, [picture(1), diff(6, 8), diff(9, 9)], lenient=True)
    assert [kept.number for kept in apart.lines] == [2, 3]
    assert apart.pictures == {}, "a snapshot that does not join tells nothing"
    assert [number for number, _ in apart.skipped] == [2]


def test_times_may_be_in_seconds_and_a_last_line_may_lack_its_end() -> None:
    capture = capture_of(SPOT, [trade(1, EPOCH_MS / 1000), trade(2, EPOCH_MS / 1000 + 0.25)[:-1]])
    assert (capture.start_ms, capture.length_ms) == (EPOCH_MS, 250)


def test_a_picture_from_before_the_first_diff_tells_nothing() -> None:
    early, late = picture(5, "ethusdc@depth5"), picture(11, "ethusdc@depth5")
    assert capture_of(SPOT, [early, diff(9, 12)]).pictures == {}
    found = capture_of(SPOT, [early, diff(9, 10), late, diff(11, 12)])
    assert found.pictures["ETHUSDC"].update_id == 11
    assert [kept.number for kept in found.lines] == [1, 3, 4], "the first diff is in the picture"


def test_the_longest_kline_says_what_times_are_shifted_by() -> None:
    def kline(interval: str) -> bytes:
        return line(EPOCH_MS, f"ethusdc@kline_{interval}", {"e": "kline", "k": {"t": 0, "T": 59}})

    assert capture_of(SPOT, [trade(1)]).align_ms == 1000
    assert capture_of(SPOT, [kline("1s"), kline("15m")]).align_ms == 900_000
    assert capture_of(SPOT, [kline("1w"), kline("1M")]).align_ms == 7 * 86_400_000


# --- files ----------------------------------------------------------------------------------------


def market(path: Path, **options: Any) -> Any:
    options = {"seed": 1, "step_ms": 100, "rate": 1.0, "volatility": 1.0, "loop": True,
               "lenient": False} | options  # fmt: skip
    return make_market(f"replay:{path}", SPOT, ["ETHUSDC"], **options)


def test_a_file_may_be_compressed_whatever_its_name(tmp_path: Path) -> None:
    lines = lines_of(SPOT, ["ethusdc@trade"], until_ms=3000)
    plain, packed = tmp_path / "plain.ndjson", tmp_path / "packed.ndjson"
    plain.write_bytes(b"".join(lines))
    packed.write_bytes(gzip.compress(b"".join(lines[:2])) + gzip.compress(b"".join(lines[2:])))
    assert market(plain).capture.lines == market(packed).capture.lines
    assert len(market(packed).capture.lines) == len(lines)


def test_a_compressed_file_that_is_cut_is_refused_where_it_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cut.ndjson.gz"
    path.write_bytes(gzip.compress(b"".join(trade(n) for n in range(1, 2000)))[:-200])
    with pytest.raises(CaptureError, match=r"cut\.ndjson\.gz:\d+: cut: Compressed file ended"):
        market(path)
    with caplog.at_level(logging.WARNING, "mockex"):
        assert len(market(path, lenient=True).capture.lines) > 1000
    assert "cut: Compressed file ended" in caplog.text


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        market(tmp_path / "nowhere.ndjson")


def test_skipped_lines_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "x.ndjson"
    path.write_bytes(trade(1) + b"junk\n" * 12)
    with caplog.at_level(logging.WARNING, "mockex"):
        market(path, lenient=True)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 11
    assert said[0].startswith(f"{path}:2: not a line of a capture")
    assert said[-1] == f"{path}: 2 more lines are bad"
