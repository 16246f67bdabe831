"""Errors of the exchange, by whose fault they are.

MockexError
├── ConfigError        whoever started us asked for what cannot be
├── RequestRejected    the client broke the protocol: `code` and `msg`, answered on the wire
└── FaultError         a fault could not be injected, or was not seen to take effect
    ├── FaultUnseen    it was injected and the journal never showed that it happened
    └── LinkError      the fault proxy is missing, dead or refused
        └── ToxiproxyUnavailable   no way to get the server was open
"""

from __future__ import annotations


class MockexError(Exception):
    """Base of everything that mockex raises on purpose."""


class ConfigError(MockexError):
    """What was asked for cannot be: names the setting, the value and what would be right."""

    def __init__(self, setting: str, value: object, expected: str) -> None:
        self.setting = setting
        self.value = value
        self.expected = expected
        super().__init__(f"{setting}: {value!r} is not usable, expected {expected}")


class RequestRejected(MockexError):
    """A control request that the exchange answers with an error object."""

    def __init__(self, code: int, msg: str) -> None:
        self.code = code
        self.msg = msg
        super().__init__(f"{code}: {msg}")


class FaultError(MockexError):
    """A fault could not be injected."""


class FaultUnseen(FaultError):
    """A fault was injected and did not happen within `within_s`."""

    def __init__(self, fault: str, within_s: float) -> None:
        self.fault = fault
        self.within_s = within_s
        super().__init__(f"{fault} was not seen to happen within {within_s:g} s")


class LinkError(FaultError):
    """The fault proxy is dead, refused a call or does not answer."""


class ToxiproxyUnavailable(LinkError):
    """No Toxiproxy server could be found or built; lists every step that was tried."""

    def __init__(self, steps: list[tuple[str, str]]) -> None:
        self.steps = steps
        tried = "\n".join(f"  {what}: {why}" for what, why in steps)
        super().__init__(f"no Toxiproxy 2.12 server is to be had; tried:\n{tried}")
