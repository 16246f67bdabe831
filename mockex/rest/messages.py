"""What goes in and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `target` as it stood in the request line, names of headers in lower case.

    Headers may hold an API key, so they are not shown. `address` is the client's, which limits are
    counted by.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    address: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. `weight` is what it cost, `used_weight` what its window has cost so far."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    weight: int = 0
    used_weight: int = 0
    last_update_id: int | None = None
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint has to say: a value that becomes JSON."""

    body: object
    last_update_id: int | None = None
