"""A testee of level 2: `Adapter` is the place of yours, `shim` speaks to the suite."""

import asyncio
import json
import random
import re
import sys

from websockets.asyncio.client import connect

from mockex_conformance.shim import entry, run_entry

SAYS = ["state", "event", "gap", "gauge"]
TIMERS = {"open_timeout": 10, "ping_interval": 15, "ping_timeout": 10, "close_timeout": 0.5}


class Adapter:  # a connection for each stream, and one task that owns it: nobody else dials
    def __init__(self, settings, report):
        self.settings, self.report, self.sec, self.last = settings, report, settings.time_scale, {}
        self.wanted, self.owners, self.open, self.started = set(settings.streams), {}, {}, False

    def start(self):
        self.started = True
        for name in self.wanted - set(self.owners):
            self.owners[name] = asyncio.create_task(self.hold(name))

    async def hold(self, name):
        route = "/public" if re.search("@depth|ookTicker|@rpiDepth|@trade", name) else "/market"
        base = self.settings.ws_url + (route if self.settings.profile == "usdm" else "")
        tries, now = 0, asyncio.get_running_loop().time
        more = {timer: value * self.sec for timer, value in TIMERS.items()} | {"max_size": 2**24}
        while True:
            began = now()
            self.report.state("connecting")
            try:
                async with connect(f"{base}/stream?streams={name}", **more) as self.open[name]:
                    async for text in self.open[name]:
                        self.present(name, **json.loads(text))
            except Exception as lost:  # whatever it was, the next turn replaces it
                sys.stderr.write(f"{name}: {lost!r}\n")
            tries = 0 if now() - began > 10 * self.sec else tries + 1
            wait = random.random() * min(10, 0.5 * 2**tries) * self.sec
            self.report.state("waiting", wait_ms=round(wait * 1000))
            await asyncio.sleep(wait)

    def present(self, name, /, stream=None, data=None, **_):
        if stream == name and isinstance(data, dict):
            self.report.state("live")
            ids = (data.get(key) for key in ("u", "lastUpdateId", "a", "t", "E"))
            number = next((n for n in ids if isinstance(n, int)), 0)
            after, self.last[name] = self.last.get(name, number), number
            if name.endswith("rade") and number > after + 1:  # ids of trades have no holes
                self.report.notify("gap", stream=name, after=after, before=number)
            self.report.event(name, number)

    async def end(self, names):
        owners = [self.owners.pop(name) for name in names if name in self.owners]
        await asyncio.gather(*(o for o in owners if o.cancel()), return_exceptions=True)

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


main = entry(Adapter, name="shim-python", version="1.0.0", supports=SAYS)
if __name__ == "__main__":
    sys.exit(run_entry(main))
