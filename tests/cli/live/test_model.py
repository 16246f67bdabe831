"""What the live view shows, from entries and times made by hand."""

from __future__ import annotations

import pytest

from mockex.cli.live.model import Line, Watch
from mockex.server.doubled import Program
from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Batch,
    Behind,
    Closed,
    Delivered,
    Ended,
    Faulted,
    Joined,
    Lagged,
    Left,
    Opened,
    Refused,
    Requested,
    Slowed,
    Subscribed,
    Unsubscribed,
    Upgraded,
)

S, OTHER = "ethusdc@depth5@100ms", "btcusdc@bookTicker"
BOT, SECOND = Program(11, "python bot.py"), Program(22, "node bot.js")
OPENED = Opened(
    t=100, version="1", profile="usdm", dated="", seed=7, epoch_ms=0, speed=1, ws_port=1,
    rest_port=2,
)  # fmt: skip


class Seen:
    """A watch, what it has said, and whose ports are whose: 1001 is that of c1."""

    def __init__(self, **programs: Program) -> None:
        self.ports = {1000 + int(name[1:]): program for name, program in programs.items()}
        self.watch = Watch(self.ports.get)
        self.lines: list[Line] = []
        self.see(OPENED)

    def see(self, *entries: AnyEntry) -> list[str]:
        new = [line for entry in entries for line in self.watch.apply(entry)]
        self.lines += new
        return [line.text for line in new]

    def opens(self, conn: int, *streams: str, at: float = 101.0) -> list[str]:
        return self.see(
            Attempted(t=at, conn=conn, peer_port=1000 + conn),
            Upgraded(t=at, conn=conn, target=f"/ws/{'/'.join(streams)}", route="", mode="raw"),
            Subscribed(t=at, conn=conn, streams=list(streams), via="url"),
        )

    def ends(self, conn: int, at: float) -> list[str]:
        return self.see(Ended(t=at, conn=conn, by="client", how="rst"))


def delivered(t: float, audience: int, events: int = 1, size: int = 100) -> Delivered:
    return Delivered(t=t, audience=audience, step=1, streams={S: Batch(1, 1, events, size)})


def requested(status: int) -> Requested:
    return Requested(
        t=101, method="GET", target="/fapi/v1/depth", status=status, weight=1, used_weight=1
    )


# --- twice to one program -------------------------------------------------------------------------


def test_a_stream_that_goes_twice_to_one_program_is_called_out_at_once() -> None:
    seen = Seen(c1=BOT, c2=BOT)
    seen.opens(1, S)
    assert seen.opens(2, S, at=103.5) == [
        f"c2 opened /ws/{S}",
        f"{S} is delivered 2 times: c1, c2 of python bot.py (pid 11)",
    ]
    assert (seen.lines[-1].at_s, seen.lines[-1].urgent) == (3.5, True)


def test_what_is_doubled_is_shown_with_its_connections_and_for_how_long() -> None:
    seen = Seen(c1=BOT, c2=BOT)
    seen.opens(1, S, OTHER)
    seen.opens(2, S, at=103)
    picture = seen.watch.picture(105)
    assert [(row.name, row.live, row.twice, row.times, row.seconds) for row in picture.streams] == [
        (S, 2, (1, 2), 1, 2.0),
        (OTHER, 1, (), 0, 0.0),
    ]
    assert (picture.twice, picture.times) == (1, 1)


def test_it_stays_counted_when_it_is_over() -> None:
    seen = Seen(c1=BOT, c2=BOT)
    seen.opens(1, S)
    seen.opens(2, S, at=103)
    assert seen.ends(1, at=104.5) == [
        "c1 ended by the client: RST without a close frame",
        f"{S} is no longer delivered twice, after 1.5 s",
    ]
    seen.ends(2, at=105)
    picture = seen.watch.picture(200)
    (row,) = picture.streams
    assert (row.live, row.twice, row.times, row.seconds) == (0, (), 1, 1.5)
    assert (picture.twice, picture.times) == (0, 1)


def test_two_programs_may_have_the_same_stream() -> None:
    seen = Seen(c1=BOT, c2=SECOND)
    seen.opens(1, S)
    assert seen.opens(2, S) == [f"c2 opened /ws/{S}"]
    (row,) = seen.watch.picture(102).streams
    assert (row.live, row.twice) == (2, ())


def test_beside_another_program_only_those_of_the_one_are_named() -> None:
    seen = Seen(c1=BOT, c2=SECOND, c3=BOT)
    seen.opens(1, S)
    seen.opens(2, S)
    assert seen.opens(3, S)[-1] == f"{S} is delivered 2 times: c1, c3 of python bot.py (pid 11)"


def test_who_is_not_known_may_be_the_same_program() -> None:
    seen = Seen(c1=BOT)
    seen.opens(1, S)
    assert seen.opens(2, S)[-1] == f"{S} is delivered 2 times: c1, c2"


def test_a_port_that_is_another_programs_later_changes_nothing_of_before() -> None:
    seen = Seen(c1=BOT, c2=BOT)
    seen.opens(1, S)
    seen.opens(2, S)
    seen.ports[1001] = SECOND
    assert seen.watch.picture(102).connections[0].program == BOT
    seen.ends(1, at=103)
    (row,) = seen.watch.picture(104).streams
    assert (row.live, row.twice) == (1, ())


def test_a_third_delivery_is_called_out_too_and_a_second_time_is_counted() -> None:
    seen = Seen()
    seen.opens(1, S)
    seen.opens(2, S)
    assert seen.opens(3, S)[-1] == f"{S} is delivered 3 times: c1, c2, c3"
    seen.ends(1, at=102)
    assert seen.watch.picture(102).times == 1
    seen.ends(2, at=103)
    seen.opens(4, S, at=104)
    assert seen.watch.picture(104).times == 2


def test_of_a_hundred_deliveries_to_one_program_not_each_has_a_line() -> None:
    seen = Seen(**{f"c{conn}": BOT for conn in range(1, 101)})
    called = [seen.opens(conn, S)[1:] for conn in range(1, 101)]
    told = [int(line.split()[3]) for lines in called for line in lines]
    assert told == [2, 3, 4, 5, 6, 12, 24, 48, 96]
    assert called[95] == [
        f"{S} is delivered 96 times: c1, c2, c3, c4 and 92 more of python bot.py (pid 11)"
    ]


def test_a_close_frame_and_an_unsubscribe_end_a_delivery() -> None:
    seen = Seen()
    seen.opens(1, S)
    seen.opens(2, S)
    assert seen.see(Closed(t=102, conn=1, by="client", code=1000)) == [
        f"{S} is no longer delivered twice, after 1.0 s"
    ]
    seen.opens(3, S)
    assert seen.see(Unsubscribed(t=104, conn=3, streams=[S]))[-1].startswith(
        f"{S} is no longer delivered twice"
    )


def test_a_stream_that_is_never_sent_is_no_delivery() -> None:
    seen = Seen()
    seen.opens(1, S)
    seen.opens(2)
    lines = seen.see(Subscribed(t=102, conn=2, streams=[S], via="request", silent=[S]))
    assert lines == [f"c2 subscribed {S}; never sent: {S}"]
    assert seen.watch.picture(103).times == 0


# --- connections and rates ------------------------------------------------------------------------


def test_a_connection_is_shown_with_its_program_path_age_and_rates() -> None:
    seen = Seen(c1=BOT)
    seen.opens(1, S)
    seen.see(Joined(t=101, conn=1, audience=5))
    seen.watch.picture(101)
    seen.see(*(delivered(101 + n / 10, 5, events=2, size=300) for n in range(10)))
    (row,) = seen.watch.picture(102).connections
    assert (row.number, row.program, row.path, row.streams) == (1, BOT, f"/ws/{S}", 1)
    assert (row.age_s, row.events_per_s, row.bytes_per_s, row.state) == (1.0, 20.0, 3000.0, "")


def test_a_rate_is_of_the_last_two_seconds() -> None:
    seen = Seen()
    seen.opens(1, S)
    seen.see(Joined(t=101, conn=1, audience=5))
    seen.watch.picture(101)
    seen.see(delivered(101.1, 5, events=1000))
    rates = [
        seen.watch.picture(101 + tenths / 10).connections[0].events_per_s
        for tenths in range(2, 50, 2)
    ]
    assert rates[0] == pytest.approx(5000)
    assert rates[-1] == 0


def test_what_an_audience_gets_counts_for_each_member_while_it_is_one() -> None:
    seen = Seen()
    seen.opens(1, S)
    seen.opens(2, S)
    seen.see(Joined(t=101, conn=1, audience=5), delivered(101.1, 5, events=3))
    seen.see(Joined(t=101.2, conn=2, audience=5))
    first = seen.watch.picture(101.2)
    seen.see(delivered(101.3, 5, events=4), Left(t=101.4, conn=1, audience=5))
    seen.see(delivered(101.5, 5, events=5))
    picture = seen.watch.picture(102.2)
    assert first.events_per_s == 0
    assert [row.events_per_s for row in picture.connections] == [4, 9]
    assert picture.events_per_s == 4 + 4 + 5


def test_an_attempt_without_an_answer_is_pending_and_a_refused_one_is_counted() -> None:
    seen = Seen()
    seen.see(Attempted(t=101, conn=1, peer_port=1001), Attempted(t=101, conn=2, peer_port=1002))
    assert seen.see(Refused(t=102, conn=2, target="/x", status=404, reason="Not Found")) == [
        "c2 was refused with 404: Not Found"
    ]
    picture = seen.watch.picture(103)
    assert (picture.pending, picture.refused, picture.over, picture.live) == (1, 1, 0, 0)
    assert [(row.number, row.state) for row in picture.connections] == [(1, "pending")]


def test_a_connection_that_does_not_read_is_slow_until_it_does() -> None:
    seen = Seen()
    seen.opens(1, S)
    assert "too slowly" in seen.see(Slowed(t=102, conn=1, full=True))[0]
    assert seen.watch.picture(102).connections[0].state == "slow"
    seen.see(Slowed(t=103, conn=1, full=False))
    assert seen.watch.picture(103).connections[0].state == ""


def test_a_connection_that_is_over_leaves_the_table_and_is_counted() -> None:
    seen = Seen()
    seen.opens(1, S)
    seen.ends(1, at=102)
    picture = seen.watch.picture(103)
    assert (picture.over, picture.live, picture.connections) == (1, 0, [])


def test_where_not_all_fit_those_that_are_doubled_are_shown() -> None:
    seen = Seen(**{f"c{n}": Program(100 + n, "one") for n in range(1, 30)}, c30=BOT, c31=BOT)
    for conn in range(1, 32):
        seen.opens(conn, S)
    picture = seen.watch.picture(102, most=3)
    assert [row.number for row in picture.connections] == [30, 31, 1]
    assert picture.connections_all == 31


# --- the rest -------------------------------------------------------------------------------------


def test_faults_are_shown_with_how_often_they_were_seen_and_whether_they_last() -> None:
    seen = Seen()
    seen.see(
        Faulted(t=101, fault=1, kind="Stall", phase="injected"),
        Faulted(t=102, fault=1, kind="Stall", phase="seen", conns=[3]),
        Faulted(t=103, fault=2, kind="Reset", phase="injected"),
    )
    rows = seen.watch.picture(104, lasting=[1]).faults
    assert [(row.number, row.kind, row.times_seen, row.lasts, row.conns) for row in rows] == [
        (1, "Stall", 1, True, (3,)),
        (2, "Reset", 0, False, ()),
    ]
    assert not any(row.over for row in rows)
    assert [line.text for line in seen.lines] == [
        "fault 1 Stall injected",
        "fault 1 Stall seen on c3",
        "fault 2 Reset injected",
    ]


def test_a_fault_that_could_not_be_done_says_why() -> None:
    seen = Seen()
    why = "Reset: nothing live delivers any stream"
    lines = seen.see(
        Faulted(t=101, fault=1, kind="Reset", phase="injected"),
        Faulted(t=101, fault=1, kind="Reset", phase="ended", detail=why),
    )
    assert lines[1] == "fault 1 Reset could not be done: nothing live delivers any stream"
    assert seen.watch.picture(102).faults[0].failure == why


def test_a_fault_that_ended_before_it_was_seen_is_over() -> None:
    seen = Seen()
    lines = seen.see(
        Faulted(t=101, fault=1, kind="HangUpgrade", phase="injected"),
        Faulted(t=102, fault=1, kind="HangUpgrade", phase="ended"),
    )
    assert lines[1] == "fault 1 HangUpgrade ended, never seen"
    (row,) = seen.watch.picture(103).faults
    assert (row.over, row.times_seen, row.failure) == (True, 0, "")


def test_where_not_all_fit_faults_that_do_something_still_come_first_then_the_newest() -> None:
    seen = Seen()
    for number in range(1, 10):
        seen.see(Faulted(t=101, fault=number, kind="Stall", phase="injected"))
    picture = seen.watch.picture(102, lasting=[2], most=3)
    assert [row.number for row in picture.faults] == [2, 9, 8]
    assert picture.faults_all == 9


def test_that_the_exchange_stood_still_has_a_line_where_it_matters() -> None:
    seen = Seen()
    assert seen.see(Lagged(t=101, late_s=0.3)) == []  # nobody is there
    seen.opens(1, S)
    assert seen.see(Lagged(t=101, late_s=0.02)) == []
    assert seen.see(Lagged(t=102, late_s=0.3)) == ["the exchange itself stood still for 300 ms"]


def test_requests_are_counted_and_those_that_are_refused_have_a_line() -> None:
    seen = Seen()
    assert seen.see(requested(200)) == []
    assert seen.see(requested(429)) == ["GET /fapi/v1/depth was answered with 429"]
    picture = seen.watch.picture(102)
    assert (picture.requests, picture.requests_refused) == (2, 1)


def behind(at: float, late_s: float, exchange_s: float = 12.0) -> Behind:
    """Said at `at`, of a step that was due so much earlier."""
    return Behind(t=at - late_s, late_s=late_s, exchange_s=exchange_s)


def test_an_exchange_that_was_behind_for_a_whole_second_is_shown_so_while_it_is() -> None:
    seen = Seen()
    seen.see(*(behind(101 + n / 10, 0.2) for n in range(10)))
    assert seen.watch.picture(101.9).behind_s == 0.0
    seen.see(behind(102.1, 0.2, exchange_s=13.0))
    assert seen.watch.picture(102.5).behind_s == 13.0
    assert seen.watch.picture(103.2).behind_s == 0.0


def test_a_standstill_that_is_made_up_for_is_not_being_behind() -> None:
    seen = Seen()
    for opened in (100.2, 110.0, 120.0):  # the first of them as the exchange opens
        seen.see(behind(opened + 3.0, 3.0), behind(opened + 3.1, 0.4))
        assert seen.watch.picture(opened + 3.2).behind_s == 0.0


def test_steps_that_are_late_now_and_then_are_not_being_behind() -> None:
    seen = Seen()
    for n in range(20):  # at sixty times the speed a few milliseconds are late
        seen.see(behind(101 + n / 4, 0.02, exchange_s=1.2))
        assert seen.watch.picture(101.1 + n / 4).behind_s == 0.0


def test_steps_that_take_longer_than_they_may_are_being_behind() -> None:
    seen = Seen()
    for n in range(5):  # each takes half a second, and the next is due long before it ends
        seen.see(behind(101 + n / 2, 0.4 * (n + 1)))
    assert seen.watch.picture(103.4).behind_s == 12.0


@pytest.mark.parametrize("name", ["\x1b[2Jevil", "a\nb", "x" * 1000])
def test_what_a_client_wrote_cannot_command_the_terminal(name: str) -> None:
    seen = Seen()
    seen.opens(1, name)
    row = seen.watch.picture(102).connections[0]
    for text in (row.path, *(line.text for line in seen.lines)):
        assert text.isprintable()
        assert len(text) < 300


def test_a_flood_of_streams_is_a_line_of_few_names() -> None:
    seen = Seen()
    seen.opens(1)
    (line,) = seen.see(
        Subscribed(t=102, conn=1, streams=[f"s{n}@trade" for n in range(500)], via="request")
    )
    assert line == "c1 subscribed s0@trade, s1@trade, s2@trade, s3@trade and 496 more"
