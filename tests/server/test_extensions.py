"""Offers of permessage-deflate, row by row (RFC 7692, section 7.1)."""

from __future__ import annotations

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.headers import parse_extension

from mockex.server.extensions import negotiate

SEEN = "permessage-deflate; server_no_context_takeover; client_max_window_bits=15"
PLAIN = "permessage-deflate; server_no_context_takeover"

OFFERS = {
    "": None,
    # wire A6, and what the clients of Python, Node, Go and Java send
    "permessage-deflate; client_max_window_bits": SEEN,
    "permessage-deflate": PLAIN,
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover": (
        PLAIN + "; client_no_context_takeover"
    ),
    "permessage-deflate; client_max_window_bits=15": SEEN,
    "permessage-deflate; client_max_window_bits=10": PLAIN + "; client_max_window_bits=10",
    "permessage-deflate; server_max_window_bits=15": PLAIN + "; server_max_window_bits=15",
    # what we send is shared, and needs a window of 2^15
    "permessage-deflate; server_max_window_bits=14": None,
    "permessage-deflate; server_max_window_bits=8": None,
    # the first that can be accepted
    "permessage-deflate; server_max_window_bits=9, permessage-deflate": PLAIN,
    "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits": SEEN,
    "x-webkit-deflate-frame": None,
    # declined (7.1): unknown, doubled or out of range
    "permessage-deflate; fast": None,
    "permessage-deflate; client_max_window_bits=16": None,
    "permessage-deflate; client_max_window_bits=015": None,
    "permessage-deflate; server_max_window_bits": None,
    "permessage-deflate; server_no_context_takeover=1": None,
    "permessage-deflate; client_no_context_takeover; client_no_context_takeover": None,
    'permessage-deflate; client_max_window_bits="12"': PLAIN + "; client_max_window_bits=12",
}


@pytest.mark.rule("wire-A6")
@pytest.mark.parametrize(("offer", "answer"), OFFERS.items())
def test_an_offer_is_accepted_or_declined(offer: str, answer: str | None) -> None:
    agreed = negotiate(offer)
    assert (agreed.answer if agreed else None) == answer


@pytest.mark.parametrize("header", ["permessage-deflate;", "a b", "=", "permessage-deflate; x=;"])
def test_a_malformed_header_is_an_error(header: str) -> None:
    with pytest.raises(ValueError, match=r"Sec-WebSocket-Extensions"):
        negotiate(header)


@pytest.mark.parametrize(("server", "bits"), [(None, True), (15, 12), (None, None), (15, 15)])
def test_a_client_accepts_the_answer_to_its_own_offer(
    server: int | None, bits: int | bool | None
) -> None:
    factory = ClientPerMessageDeflateFactory(
        server_max_window_bits=server,
        client_max_window_bits=bits,
    )
    offer = "; ".join(
        [factory.name, *(f"{k}={v}" if v else k for k, v in factory.get_request_params())]
    )
    agreed = negotiate(offer)
    assert agreed is not None
    ((_, parameters),) = parse_extension(agreed.answer)
    made = factory.process_response_params(parameters, [])
    assert made.remote_no_context_takeover
    assert agreed.decoder().remote_max_window_bits == agreed.client_bits
