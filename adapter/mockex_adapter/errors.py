"""Errors of the adapter, by whose fault they are.

AdapterError
├── BadStreamName    the caller asked for what cannot be a stream
├── FeedClosed       the caller used a feed outside its `async with` block
├── ConnectionLost   one connection is over; the supervisor replaces it and nobody else sees this
└── Malformed        the exchange sent what its documents do not allow
"""

from __future__ import annotations


class AdapterError(Exception):
    """Base of everything that the adapter raises on purpose."""


class BadStreamName(AdapterError):
    """`name` breaks the grammar of stream names; it was not sent."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name!r} is no stream name; expected like 'ethusdc@depth5@100ms'")


class FeedClosed(AdapterError):
    """The feed is closed, or was not entered yet."""

    def __init__(self) -> None:
        super().__init__("the feed is closed; enter a new one with `async with Feed(...)`")


class ConnectionLost(AdapterError):
    """A connection ended or was given up."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Malformed(AdapterError):
    """A message of the wrong shape; `what` says which part of it."""

    def __init__(self, what: str, value: object) -> None:
        self.what = what
        super().__init__(f"{what}: {value!r:.120}")
