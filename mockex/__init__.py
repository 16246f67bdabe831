"""mockex: a Binance-shaped WebSocket exchange that fails on purpose.

A name is imported when it is first asked for: the command line, which asks for none of them, would
otherwise wait for the whole exchange before it says its help.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockex import faults
    from mockex.errors import CaptureError, ConfigError, FaultError, FaultUnseen, MockexError
    from mockex.profile import SPOT, USDM, Profile
    from mockex.server.exchange import Exchange
    from mockex.server.serving import serve
else:
    _MODULES = {
        "mockex.errors": (
            "CaptureError",
            "ConfigError",
            "FaultError",
            "FaultUnseen",
            "MockexError",
        ),
        "mockex.profile": ("SPOT", "USDM", "Profile"),
        "mockex.server.exchange": ("Exchange",),
        "mockex.server.serving": ("serve",),
    }
    _WHERE = {name: module for module, names in _MODULES.items() for name in names}

    def __getattr__(name):
        """A public name at its first use (PEP 562)."""
        if name == "faults":
            return import_module("mockex.faults")
        if name not in _WHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_WHERE[name]), name)
        return value


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
