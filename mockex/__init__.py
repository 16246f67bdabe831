"""mockex: a Binance-shaped WebSocket exchange that fails on purpose."""

from mockex import faults
from mockex.errors import CaptureError, ConfigError, FaultError, FaultUnseen, MockexError
from mockex.profile import SPOT, USDM, Profile
from mockex.server.exchange import Exchange, serve

__all__ = [
    "SPOT",
    "USDM",
    "CaptureError",
    "ConfigError",
    "Exchange",
    "FaultError",
    "FaultUnseen",
    "MockexError",
    "Profile",
    "faults",
    "serve",
]
