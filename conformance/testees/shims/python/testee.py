"""A testee of level 2: `Adapter` is the place of yours, `shim` speaks to the suite."""

import asyncio
import json
import random
import re
import sys

from websockets.asyncio.client import connect

from mockex_conformance.shim import entry, run_entry

TIMERS = {"open_timeout": 10, "ping_interval": 15, "ping_timeout": 10, "close_timeout": 0.5}


class Adapter:
    """A connection for each stream, and one task that owns it: nobody else dials."""

    def __init__(self, settings, report):
        self.settings, self.report, self.second = settings, report, settings.time_scale
        self.wanted, self.owners, self.open, self.started = set(settings.streams), {}, {}, False

    def start(self):
        self.started = True
        for name in self.wanted - set(self.owners):
            self.owners[name] = asyncio.create_task(self.hold(name))

    async def hold(self, name):
        on_usdm = "/public" if re.search("@depth|ookTicker|@rpiDepth|@trade", name) else "/market"
        route = on_usdm if self.settings.profile == "usdm" else ""
        tries, now = 0, asyncio.get_running_loop().time
        timers = {timer: value * self.second for timer, value in TIMERS.items()}
        while True:
            began = now()
            self.report.state("connecting")
            try:
                url = f"{self.settings.ws_url}{route}/stream?streams={name}"
                async with connect(url, **timers) as self.open[name]:
                    async for text in self.open[name]:
                        self.present(name, **json.loads(text))
            except Exception as lost:  # whatever it was, the next turn replaces it
                sys.stderr.write(f"{name}: {lost!r}\n")
            tries = 0 if now() - began > 10 * self.second else tries + 1
            wait = random.random() * min(10, 0.5 * 2**tries) * self.second
            self.report.state("waiting", wait_ms=round(wait * 1000))
            await asyncio.sleep(wait)

    def present(self, name, /, stream=None, data=None, **_):
        if stream == name and isinstance(data, dict):
            self.report.state("live")
            ids = (data.get(key) for key in ("u", "lastUpdateId", "a", "t", "E"))
            self.report.event(name, next((n for n in ids if isinstance(n, int)), 0))

    async def end(self, names):
        ended = [self.owners.pop(name) for name in names if name in self.owners]
        for owner in ended:
            owner.cancel()
        await asyncio.gather(*ended, return_exceptions=True)

    def subscribe(self, streams):
        self.wanted |= set(streams)
        if self.started:
            self.start()

    async def unsubscribe(self, streams):
        self.wanted -= set(streams)
        await self.end(streams)

    async def reconnect(self):
        await asyncio.gather(*(ws.close() for ws in self.open.values()))

    async def close(self):
        self.started = False
        await self.end(list(self.owners))
        self.report.state("closed")


main = entry(Adapter, name="shim-python", version="1.0.0")
if __name__ == "__main__":
    sys.exit(run_entry(main))
