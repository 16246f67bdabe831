"""Names, clocks and faults: small values, checked once, when they are made."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from mockex import faults as f
from mockex.clock import Clock, wall_clock_ms
from mockex.names import Kind, StreamName, parse
from mockex.profile import SPOT


@pytest.mark.rule("spot-4.4.5", "spot-2.17")
@pytest.mark.parametrize(
    "name",
    ["ethusdc@depth", "!miniTicker@arr", "btc_usdt_250926@trade", "abc@kline_1m@+08:00",
     "listenkey123", "这是测试币456@trade", "ETHUSDC@trade", "a.b-c@x"],
)  # fmt: skip
def test_well_formed_names(name: str) -> None:
    assert SPOT.well_formed(name)


@pytest.mark.rule("spot-4.4.5", "spot-4.4.4")
@pytest.mark.parametrize(
    "name", ["", "@@@x###", "a b@trade", "a@", "@trade", "a@tr ade", "!", "a\n"]
)
def test_malformed_names(name: str) -> None:
    assert not SPOT.well_formed(name)


@pytest.mark.rule("spot-4.4.2", "spot-5.4.1", "usdm-5.0.23")
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a@trade", StreamName("a@trade", Kind.TRADE, "a")),
        ("a@depth", StreamName("a@depth", Kind.DIFF_DEPTH, "a")),
        ("a@depth@100ms", StreamName("a@depth@100ms", Kind.DIFF_DEPTH, "a", "100ms")),
        ("a@depth5", StreamName("a@depth5", Kind.PARTIAL_DEPTH, "a", levels=5)),
        ("a@depth20@500ms", StreamName("a@depth20@500ms", Kind.PARTIAL_DEPTH, "a", "500ms", 20)),
        ("a@kline_1M", StreamName("a@kline_1M", Kind.KLINE, "a", "1M")),
        (
            "a@kline_1d@+08:00",
            StreamName("a@kline_1d@+08:00", Kind.KLINE, "a", "1d", offset="+08:00"),
        ),
        (
            "ab_usdt_current_quarter@continuousKline_1h",
            StreamName(
                "ab_usdt_current_quarter@continuousKline_1h",
                Kind.CONTINUOUS_KLINE, "ab_usdt", "1h", contract="current_quarter",
            ),
        ),
        ("a@ticker", StreamName("a@ticker", Kind.TICKER, "a")),
        ("a@ticker_4h", StreamName("a@ticker_4h", Kind.WINDOW_TICKER, "a", "4h")),
        ("!ticker_1d@arr", StreamName("!ticker_1d@arr", Kind.ALL_WINDOW_TICKERS, "", "1d")),
        ("!bookTicker", StreamName("!bookTicker", Kind.ALL_BOOK_TICKERS)),
        (
            "!markPrice@arr@1s",
            StreamName("!markPrice@arr@1s", Kind.ALL_MARK_PRICES, "", "1s"),
        ),
        ("tradingSession", StreamName("tradingSession", Kind.TRADING_SESSION)),
        ("A@trade", None),
        ("a@trade@100ms", None),
        ("a@depth7", None),
        ("a@kline", None),
        ("!ticker", None),
        ("@trade", None),
    ],
)  # fmt: skip
def test_names_are_read_or_mean_nothing(name: str, read: StreamName | None) -> None:
    assert parse(name) == read


def test_a_clock_maps_both_ways_at_its_speed() -> None:
    clock = Clock(opened_at=100.0, epoch_ms=5_000, speed=10.0)
    assert clock.exchange_s(101.5) == 15.0
    assert clock.loop_s(15.0) == 101.5
    assert clock.unix_ms(15.0) == 20_000
    with pytest.raises(ValueError, match="speed must be positive"):
        Clock(0, 0, 0)


def test_the_wall_clock_is_in_this_century() -> None:
    assert 1_700_000_000_000 < wall_clock_ms() < 4_000_000_000_000


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: f.AfterEvents(0), "n must be at least 1"),
        (lambda: f.Every(0, 1), "seconds must be positive"),
        (lambda: f.WithholdAck(requests=0), "requests must be at least 1"),
        (lambda: f.AckError(requests=0), "requests must be at least 1"),
        (lambda: f.SilentStream(), "SilentStream needs the name of a stream"),
        (lambda: f.Every(1, 0), "times must be at least 1"),
        (lambda: f.Stall(scope="stream"), "needs the name of a stream"),
        (lambda: f.Fragment(bytes=0), "bytes must be at least 1"),
        (lambda: f.Fragment(events=0), "events must be at least 1"),
        (lambda: f.Fragment(pings=-1), "pings must be at least 0"),
        (lambda: f.Gather(events=1), "events must be at least 2"),
        (lambda: f.Enlarge(stream="!miniTicker@arr", bytes=0), "bytes must be at least 1"),
        (lambda: f.Enlarge(bytes=1), "Enlarge needs the name of a stream"),
        (lambda: f.ServerShutdown(lead_ms=-1), "lead_ms must be at least 0"),
        (lambda: f.Outage(), "exactly one"),
        (lambda: f.Outage(ms=1, attempts=1), "exactly one"),
        (lambda: f.Outage(how="refuse", attempts=3), "refused attempts cannot be counted"),
        (lambda: f.SlowUpgrade(ms=-1), "ms must be at least 0"),
        (lambda: f.SlowUpgrade(ms=1, attempts=0), "attempts must be at least 1"),
        (lambda: f.HangUpgrade(attempts=0), "attempts must be at least 1"),
        (lambda: f.HangUpgrade(reset_ms=-1), "reset_ms must be at least 0"),
        (lambda: f.ServerShutdown(reset_ms=-1), "reset_ms must be at least 0"),
        (lambda: f.LifetimeCut(reset_ms=-1), "reset_ms must be at least 0"),
        (lambda: f.LifetimeCut(reset_ms=1, bare=True), "a bare cut has no close frame"),
        (lambda: f.QuietStart(attempts=0), "attempts must be at least 1"),
        (lambda: f.Burst(rate_per_s=0, ms=1), "rate_per_s must be at least 1"),
        (lambda: f.Burst(rate_per_s=1, ms=0), "ms must be at least 1"),
        (lambda: f.RefuseUpgrade(status=101), "status must be from 200 to 599"),
        (lambda: f.RefuseUpgrade(attempts=0), "attempts must be at least 1"),
        (lambda: f.RefuseUpgrade(headers={"a b": "c"}), "'a b': 'c' is no header of HTTP"),
        (lambda: f.RefuseUpgrade(headers={"a": "b\r\nc: d"}), "is no header of HTTP"),
        (lambda: f.RefuseUpgrade(headers={"a": "€"}), "'a': '€' is no header of HTTP"),
        (lambda: f.CloseWith(code=-1), "code must be from 0 to 65535, got -1"),
        (lambda: f.CloseWith(code=65536), "code must be from 0 to 65535, got 65536"),
        (lambda: f.CloseWith(code=None, reason="x"), "no room for a reason"),
        (lambda: f.CloseWith(reason="é" * 62), "reason must be at most 123 bytes, got 124"),
        (lambda: f.BadUpgrade(kind="worse"), "kind must be one of wrong-accept, no-upgrade"),  # type: ignore[arg-type]
        (lambda: f.BadUpgrade(kind="cut", attempts=0), "attempts must be at least 1"),
        (lambda: f.AcceptThenClose(ms=0), "ms must be at least 1"),
        (lambda: f.AcceptThenClose(ms=1, after_ms=-1), "after_ms must be at least 0"),
        (lambda: f.AcceptThenClose(ms=1, events=-1), "events must be at least 0"),
        (lambda: f.Latency(delay_ms=-1), "delay_ms must be at least 0"),
        (lambda: f.Latency(delay_ms=1, jitter_ms=2), "jitter_ms must be from 0 to delay_ms"),
        (lambda: f.Latency(delay_ms=3_600_001), "delay_ms must be at most 3600000"),
        (lambda: f.Latency(delay_ms=1.5), "delay_ms must be a whole number, got 1.5"),  # type: ignore[arg-type]
        (lambda: f.Latency(delay_ms=True), "delay_ms must be a whole number, got True"),
        (lambda: f.Latency(delay_ms=1, direction="up"), "direction must be one of downstream, up"),  # type: ignore[arg-type]
        (lambda: f.Bandwidth(bytes_per_s=0), "bytes_per_s must be positive, got 0: see Hold"),
        (lambda: f.Bandwidth(bytes_per_s=-1000), "bytes_per_s must be positive"),
        (lambda: f.Bandwidth(bytes_per_s=1500), "bytes_per_s must be whole thousands, got 1500"),
        (lambda: f.Slice(bytes=0), "bytes must be at least 1"),
        (lambda: f.Slice(bytes=1, gap_ms=0.05), "gap_ms must be at least 0.1"),
        (lambda: f.Slice(bytes=1, gap_ms=math.nan), "gap_ms must be at most 3600000, got nan"),
        (lambda: f.Slice(bytes=1, gap_ms="1"), "gap_ms must be a number, got '1'"),  # type: ignore[arg-type]
        (lambda: f.LimitData(bytes=0), "bytes must be at least 1"),
        (lambda: f.LimitData(bytes=1, then="rst"), "then must be fin or reset, got 'rst'"),  # type: ignore[arg-type]
        (lambda: f.SlowClose(delay_ms=-1), "delay_ms must be at least 0"),
        (lambda: f.Refused(ms=0), "ms must be at least 1"),
        (lambda: f.Refused(ms=10**400), "ms must be at most 3600000"),
        (lambda: f.LinkTerms(ends="rst"), "ends must be fin or reset, got 'rst'"),  # type: ignore[arg-type]
        (lambda: f.LinkTerms((f.ResetLink(),)), "ResetLink does not last"),  # type: ignore[arg-type]
        (lambda: f.LinkTerms((f.LimitData(bytes=1, then="reset"),)), "then=reset is not how this"),
    ],
)
def test_a_fault_that_cannot_be_is_not_made(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_faults_are_equal_when_their_fields_are() -> None:
    assert f.Reset(stream="a@trade") == f.Reset(stream="a@trade")
    assert f.Reset(all=True) != f.Reset()
