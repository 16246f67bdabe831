"""The picture as lines: what fits, and that words say what colour says."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from mockex.cli.live.drawing import Facts, Look, Pace, drawn, duration, told
from mockex.cli.live.model import ConnectionRow, FaultRow, Line, Picture, StreamRow
from mockex.server.doubled import Program

FACTS = Facts(profile="usdm", seed=7, market="walk", begin_with="ws://127.0.0.1:1/ws/x@trade")
PATH = "/public/stream?streams=ethusdc@depth5@100ms/btcusdc@bookTicker"


def picture(connections: int = 2, streams: int = 1, faults: int = 1, **more: object) -> Picture:
    twice = (1, 2) if connections > 1 else ()
    facts: dict[str, object] = {
        "up_s": 65.0, "live": connections, "pending": 1, "over": 2, "refused": 3,
        "events_per_s": 41.0, "bytes_per_s": 17_200.0, "requests": 12, "requests_refused": 1,
        "behind_s": 0.0, "twice": len(twice) // 2, "times": len(twice) // 2,
        "connections": [
            ConnectionRow(n, 50_000 + n, Program(11, "python bot.py"), PATH, 2, 12.0, 10.0, 4_200.0,
                          "slow" if n == 1 else "")
            for n in range(1, connections + 1)
        ],
        "connections_all": connections,
        "streams": [StreamRow(f"s{n}@trade", 2, twice, 1, 3.0) for n in range(streams)],
        "streams_all": streams,
        "faults": [FaultRow(n + 1, "Stall", 1, True, False, (2,), "") for n in range(faults)],
        "faults_all": faults,
    }  # fmt: skip
    return Picture(**(facts | more))  # type: ignore[arg-type]


def shown(it: Picture, width: int = 119, height: int = 20) -> list[str]:
    return [row.text for row in drawn(it, FACTS, Pace(1.0, 60.0), width=width, height=height)]


def test_a_doubled_stream_is_called_out_in_words_without_any_colour() -> None:
    lines = shown(picture())
    assert "!! delivered twice: 1 NOW, 1x so far" in lines
    assert [line for line in lines if line.startswith("!!")] == [
        "!! delivered twice: 1 NOW, 1x so far",
        *(line for line in lines if re.match(r"!!  c[12] ", line)),
        next(line for line in lines if line.startswith("!!  s0@trade")),
    ]
    assert next(line for line in lines if "s0@trade" in line).split() == [
        "!!", "s0@trade", "2", "NOW", "c1,", "c2;", "1x,", "3.0s",
    ]  # fmt: skip


def test_everything_is_said_where_there_is_room() -> None:
    text = "\n".join(shown(picture(), 149))
    for part in ("up 1:05", "market walk x1, 60 updates/s", "2 live, 1 pending, 2 over, 3 refused",
                 "41 msg/s, 17.2 KB/s", "REST 12 (1 refused)", "python bot.py (pid 11)", PATH,
                 "SLOW", "Stall", "LASTS"):  # fmt: skip
        assert part in text


@pytest.mark.parametrize("width", [20, 39, 59, 79, 99, 200])
@pytest.mark.parametrize("height", [6, 12, 40])
def test_it_fits_into_any_terminal(width: int, height: int) -> None:
    lines = shown(picture(connections=30, streams=30, faults=30), width, height)
    assert max(map(cell_len, lines)) <= width
    if width >= 39:
        assert len(lines) <= height


def test_in_forty_columns_the_rates_and_the_warning_are_still_there() -> None:
    lines = shown(picture(), 39)
    assert lines[3] == "!! delivered twice: 1 NOW, 1x so far"
    row = next(line for line in lines if "c2 " in line)
    assert row.split()[0] == "!!"
    assert row.split()[-2:] == ["10.0", "4.2"]


def test_what_does_not_fit_is_counted() -> None:
    lines = shown(picture(connections=30), height=15)
    left = next(line for line in lines if line.endswith("more connections"))
    rows = [line for line in lines if re.match(r"(!!| ) *c\d+ ", line)]
    assert left == f"  and {30 - len(rows)} more connections"


def test_of_connections_and_faults_the_first_are_shown_in_the_order_that_they_came_in() -> None:
    it = picture(connections=30, faults=30)
    it.connections.reverse()
    it.faults.reverse()
    text = "\n".join(shown(it, height=16))
    assert re.findall(r"^  (c\d+) ", text, re.M) == ["c29", "c30"]
    assert re.findall(r"^(\d+) +Stall", text, re.M) == ["29", "30"]


@pytest.mark.parametrize(
    ("seen", "lasts", "over", "failure", "life"),
    [
        (0, False, False, "", "injected"),
        (0, True, False, "", "WAITS"),
        (1, True, False, "", "LASTS"),
        (1, False, False, "", "seen"),
        (1, False, True, "", "ended"),
        (0, False, True, "", "ended"),
        (0, False, True, "nobody", "FAILED"),
    ],
)
def test_a_fault_says_where_it_is_in_its_life(
    seen: int, lasts: bool, over: bool, failure: str, life: str
) -> None:
    row = FaultRow(1, "Stall", seen, lasts, over, (2,), failure)
    line = shown(replace(picture(), faults=[row]))[-1]
    assert line.split() == ["1", "Stall", life, f"{seen}x", "c2"]


def test_an_exchange_that_nobody_has_come_to_says_where_to_begin() -> None:
    nobody = picture(0, 0, 0, pending=0, over=0, refused=0)
    assert "nobody is here yet; try ws://127.0.0.1:1/ws/x@trade" in shown(nobody)
    assert "no stream was delivered twice to one program" in shown(nobody)


def test_an_exchange_that_is_behind_says_so() -> None:
    assert "BEHIND by 12.0 s" in shown(picture(behind_s=12.0))[1]
    assert "BEHIND by 12.0 s" in shown(picture(behind_s=12.0), width=39)


def test_a_long_line_of_what_happened_is_wrapped_below_its_beginning() -> None:
    rows = told(Line(1.5, "one two three four five six seven", urgent=True), width=30)
    assert {row.look for row in rows} == {Look.ALERT}
    assert [row.text for row in rows] == [
        "    1.500 !! one two three",
        "          four five six seven",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-0.1, "0.0s"), (0.44, "0.4s"), (12.9, "12s"), (187, "3:07"), (3723, "1:02:03")],
)
def test_a_duration_is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text
