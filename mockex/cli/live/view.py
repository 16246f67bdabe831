"""The live view at work: it reads the journal a few times a second, and draws.

Nothing of it runs when an event is delivered; what is new in the journal is read at its next turn.
"""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TextIO

from rich.console import Console
from rich.text import Text

from mockex.cli import complain
from mockex.cli.live.drawing import Facts, Look, Pace, Row, drawn, told
from mockex.cli.live.model import Line, Watch
from mockex.cli.live.programs import Programs
from mockex.cli.live.screen import Screen
from mockex.server.desk import Desk
from mockex.server.exchange import Exchange
from mockex.server.journal import AnyEntry, Attempted

EVERY_S = 0.2
MOST_BUSY = 0.05  # of the time, where there is much to draw: then it draws less often
MOST_AT_ONCE = 40  # lines of one turn
MOST_ROWS = 40  # of each kind
SHARE = 2 / 3  # of the terminal's height, for what is written anew


class View:
    """The view of one exchange. `above` are the lines that stand on the terminal already."""

    def __init__(self, exchange: Exchange, desk: Desk, above: Sequence[str], out: TextIO) -> None:
        self._exchange = exchange
        self._desk = desk
        self._programs = Programs()
        proxied = exchange.line.name == "toxiproxy"  # it is at the other end of all connections
        self._watch = Watch((lambda _port: None) if proxied else self._programs.of)
        self._looks = not proxied
        self._ink = {look: _ink(Console(file=out), look) for look in Look}
        self._screen = Screen(out.fileno(), out.encoding or "ascii", above)
        self._lines: deque[Line] = deque(maxlen=MOST_AT_ONCE)
        self._left_out = 0
        self._read = 0  # entries
        self._updates = (exchange.loop_time(), 0)
        first = exchange.truth.symbols[0].lower()
        self._facts = Facts(
            profile=exchange.profile.name,
            seed=exchange.seed,
            market=exchange.market.kind,
            begin_with=f"{exchange.ws_url}/ws/{first}@bookTicker",
        )

    def tell(self, text: str) -> None:
        """Say something to the person who watches."""
        at_s = self._exchange.loop_time() - self._exchange.clock.opened_at
        self._add(Line(at_s, text, urgent=True))

    def disturbed(self) -> None:
        """Somebody else wrote to the terminal."""
        self._screen.disturbed()

    async def run(self) -> None:
        """Draw until cancelled."""
        while True:
            busy_s = await self._turn()
            await asyncio.sleep(max(EVERY_S, busy_s / MOST_BUSY))

    async def _turn(self) -> float:
        """Read what is new, and draw; for how long the exchange could do nothing else."""
        new = self._unread()
        ports = {entry.peer_port for entry in new if isinstance(entry, Attempted)}
        if ports and self._looks:
            await asyncio.to_thread(self._programs.look, ports)
        began = self._exchange.loop_time()
        self._take(new)
        if self._screen.ready():
            self.draw()
        return self._exchange.loop_time() - began

    def _unread(self) -> list[AnyEntry]:
        return self._exchange.journal.entries[self._read :]

    def _take(self, entries: Sequence[AnyEntry]) -> None:
        for entry in entries:
            self._read += 1
            for line in self._watch.apply(entry):
                self._add(line)

    def _add(self, line: Line) -> None:
        self._left_out += len(self._lines) == MOST_AT_ONCE
        self._lines.append(line)

    def draw(self) -> None:
        """Draw what is known now."""
        columns, height = self._screen.size()
        width = columns - 1  # in the last column terminals differ
        now = self._exchange.loop_time()
        lasting = [number for number in self._desk.asked if self._desk.is_on(number)]
        picture = self._watch.picture(now, lasting=lasting, most=MOST_ROWS)
        below = drawn(
            picture, self._facts, self._pace(now), width=width, height=int(height * SHARE)
        )
        lines = [row for line in self._lines for row in told(line, width=width)]
        if self._left_out:
            lines.insert(0, Row(f"{self._left_out} lines more: the journal has them", Look.QUIET))
        self._lines.clear()
        self._left_out = 0
        self._screen.show(self._painted(lines), self._painted(below))

    def _painted(self, rows: Sequence[Row]) -> list[str]:
        return [row.text.join(self._ink[row.look]) for row in rows]

    def _pace(self, now: float) -> Pace:
        truth, symbols = self._exchange.truth, self._exchange.publisher.symbols
        updates = sum(len(truth.history(symbol).ids) for symbol in symbols)
        before, then = self._updates
        self._updates = (now, updates)
        return Pace(self._exchange.clock.speed, max(updates - then, 0) / max(now - before, EVERY_S))

    def close(self, *, drawing: bool) -> None:
        """Draw once more, if it can be done, and leave it there."""
        if drawing:
            self._take(self._unread())
            if self._screen.ready():
                self.draw()
        self._screen.close()


def _ink(console: Console, look: Look) -> tuple[str, str]:
    """What the terminal is told before and after a text that looks like this."""
    with console.capture() as capture:
        console.print(Text("|", look), end="")
    before, _, after = capture.get().partition("|")
    return before, after


@asynccontextmanager
async def live_view(
    exchange: Exchange, desk: Desk, above: Sequence[str], out: TextIO
) -> AsyncIterator[None]:
    """Show the exchange on the terminal `out`, below the lines that stand there already, while the
    block runs. A view that breaks says so, and the exchange goes on without."""
    view = View(exchange, desk, above, out)
    tell, desk.tell = desk.tell, view.tell
    loop = asyncio.get_running_loop()

    async def watch() -> None:
        try:
            await view.run()
        except Exception as error:
            desk.tell = tell
            view.close(drawing=False)
            complain(f"the live view broke ({error!r}); the exchange goes on without")

    with suppress(AttributeError):  # a system without job control
        loop.add_signal_handler(signal.SIGCONT, view.disturbed)
    running = asyncio.create_task(watch())
    try:
        yield
    finally:
        desk.tell = tell
        broken = running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if not broken:
            view.close(drawing=True)
