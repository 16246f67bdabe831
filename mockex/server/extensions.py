"""permessage-deflate: what is offered, what is accepted, what is answered (RFC 7692, section 7).

We send everybody the same compressed bytes, so what we accept is narrow: each message by itself
(`server_no_context_takeover`, always answered), from a window of 2^15. A client that asks for a
smaller window of ours is declined. What a client sends may use any of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from websockets.exceptions import InvalidHeader
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.headers import parse_extension
from websockets.typing import ExtensionParameter

NAME = "permessage-deflate"
_BITS = 15
_FLAGS = ("server_no_context_takeover", "client_no_context_takeover")
_WINDOWS = ("server_max_window_bits", "client_max_window_bits")
_WINDOW_BITS = frozenset(str(bits) for bits in range(8, _BITS + 1))


@dataclass(frozen=True, slots=True)
class Deflate:
    """permessage-deflate as agreed on one connection; `answer` is our header's value."""

    answer: str
    client_bits: int

    def decoder(self) -> PerMessageDeflate:
        """What inflates the messages of one client."""
        return PerMessageDeflate(
            remote_no_context_takeover=False,  # it may refer to earlier messages, and need not
            local_no_context_takeover=True,
            remote_max_window_bits=self.client_bits,
            local_max_window_bits=_BITS,
        )


def negotiate(header: str) -> Deflate | None:
    """The first acceptable offer in a `Sec-WebSocket-Extensions`; None if there is none.

    Raises:
        ValueError: the header is malformed.
    """
    if not header.strip():
        return None
    try:
        offers = parse_extension(header)
    except InvalidHeader as error:
        raise ValueError(str(error)) from None
    for name, parameters in offers:
        agreed = _accept(parameters) if name == NAME else None
        if agreed is not None:
            return agreed
    return None


def _accept(parameters: Sequence[ExtensionParameter]) -> Deflate | None:
    """Agree to one offer, or decline it: a parameter that is unknown, named twice, or has a value
    that it cannot have (7.1), or a window of ours that is too small for shared messages."""
    named = dict(parameters)
    if len(named) != len(parameters):
        return None
    for name, value in parameters:
        flag = name in _FLAGS and value is None
        window = name in _WINDOWS and value in _WINDOW_BITS
        if not (flag or window or (name == "client_max_window_bits" and value is None)):
            return None
    # wire A6, as it was seen: permessage-deflate; server_no_context_takeover;
    # client_max_window_bits=15
    told = [NAME, "server_no_context_takeover"]
    if "server_max_window_bits" in named:
        if named["server_max_window_bits"] != str(_BITS):
            return None
        told.append(f"server_max_window_bits={_BITS}")
    if "client_no_context_takeover" in named:
        # We need not say so (7.1.1.2), but clients are about that insist on it.
        told.append("client_no_context_takeover")
    bits = _BITS
    if "client_max_window_bits" in named:
        # Only a client that speaks of it may be told (7.1.2.2), and never more than it said.
        bits = int(named["client_max_window_bits"] or _BITS)
        told.append(f"client_max_window_bits={bits}")
    return Deflate("; ".join(told), bits)
