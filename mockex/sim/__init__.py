"""Virtual time and a network in memory, for anything that runs on asyncio. Knows nothing of
exchanges."""

from mockex.sim.loop import SimLoop, run
from mockex.sim.network import Link, Network
from mockex.sim.process import Process
from mockex.sim.sockets import SimSocket

__all__ = ["Link", "Network", "Process", "SimLoop", "SimSocket", "run"]
