from __future__ import annotations

from mockex_conformance.case import Run, case
from mockex_conformance.checks import PongRepeats, Recovered

_PAYLOADS: tuple[bytes, ...] = (
    b"1780272000123",
    b"",
    b"x",
    bytes(range(125)),
    b"\x00\x00\x00",
    b"\xff\xfe\x80",
)
_APART_S = 0.3


@case("heartbeat/pong-repeats-payload", "HB-01")
async def pong_repeats_payload(run: Run) -> None:
    """Every ping is answered by a pong with the same payload.

    Pings with 13 digits, empty, with 1 byte, with 125 bytes, with zero bytes and with bytes that
    are no UTF-8; then three back to back, of which the last answer is enough. A pong that is
    missing, later than a second or altered fails the case.

    Evidence: the exchange documents it; binance/binance-connector-js#559,
    hummingbot/hummingbot#7310.
    Causes: A pong of one's own beside that of the library, without the payload. Or a payload that
    goes through text and does not survive zero bytes or bytes that are no UTF-8.
    Look at: The `pinged` and `ponged` entries of the connection that the finding names; payloads
    are in them.
    """
    run.judged_by(PongRepeats(within_ms=1000), Recovered())
    for payload in _PAYLOADS:
        _ping(run, payload)
        await run.sleep(_APART_S)
    for payload in (b"first", b"second", b"third"):
        _ping(run, payload)
    await run.sleep(1.5)


def _ping(run: Run, payload: bytes) -> None:
    for connection in run.exchange.connections.live():
        run.exchange.ping(connection.number, payload)
