"""Which streams the cases use (catalogue, end of section 6)."""

from __future__ import annotations

from mockex_conformance.case import Run, Unsupported

# Enough symbols for sixty streams of one kind; names that exist, so that no adapter refuses them.
SYMBOLS: tuple[str, ...] = (
    "ETHUSDC", "BTCUSDC", "SOLUSDC", "BNBUSDC", "XRPUSDC", "ADAUSDC", "DOTUSDC", "LTCUSDC",
    "UNIUSDC", "APTUSDC", "ARBUSDC", "OPUSDC", "SUIUSDC", "INJUSDC", "FILUSDC", "NEARUSDC",
    "ATOMUSDC", "LINKUSDC", "AVAXUSDC", "DOGEUSDC", "ETHUSDT", "BTCUSDT", "SOLUSDT", "BNBUSDT",
    "XRPUSDT", "ADAUSDT", "DOTUSDT", "LTCUSDT", "UNIUSDT", "APTUSDT", "ARBUSDT", "OPUSDT",
    "SUIUSDT", "INJUSDT", "FILUSDT", "NEARUSDT", "ATOMUSDT", "LINKUSDT", "AVAXUSDT", "DOGEUSDT",
    "TRXUSDT", "ETCUSDT", "XLMUSDT", "VETUSDT", "ICPUSDT", "HBARUSDT", "AAVEUSDT", "ALGOUSDT",
    "EOSUSDT", "SANDUSDT", "MANAUSDT", "AXSUSDT", "CHZUSDT", "GALAUSDT", "CRVUSDT", "SNXUSDT",
    "COMPUSDT", "ZECUSDT", "DASHUSDT", "KSMUSDT",
)  # fmt: skip
DEFAULT = "ethusdc@depth5@100ms"  # route `/public` on usdm
MARKET = "ethusdc@aggTrade"  # route `/market` on usdm; an event in each step of a steady market


def default_streams(profile: str) -> tuple[str, ...]:
    """What a case wants unless it says otherwise; the same on both profiles."""
    return (DEFAULT,)


def trades(profile: str) -> list[str]:
    """Streams whose ids have no holes, an event in each step of a steady market. `@trade` is
    documented on spot alone."""
    return [MARKET, "ethusdc@trade"] if profile == "spot" else [MARKET]


def books(count: int) -> list[str]:
    """`count` partial-depth streams, the default one first."""
    return [f"{symbol.lower()}@depth5@100ms" for symbol in SYMBOLS[:count]]


def busy() -> list[str]:
    """2,000 events a second from a market that moves every 10 ms, on the route `/public`."""
    return quotes(20)


def quotes(count: int) -> list[str]:
    """`count` streams of best prices, on the route `/public`; at most one for each symbol."""
    return [f"{symbol.lower()}@bookTicker" for symbol in SYMBOLS[:count]]


def sold(count: int) -> list[str]:
    """`count` streams of aggregate trades, on the route `/market`; at most one for each symbol. In
    a steady market each has an event in each step, with the time at which it was sent."""
    return [f"{symbol.lower()}@aggTrade" for symbol in SYMBOLS[:count]]


def unheard_of(count: int) -> list[str]:
    """`count` streams of symbols that do not exist: acknowledged and silent (spot 4.4)."""
    return [f"zz{number:04}usdt@bookTicker" for number in range(count)]


def of_each_route(run: Run) -> list[str]:
    """One stream for each route that has any: two on usdm, one on spot, which has no routes. A
    testee whose streams are fixed keeps them.

    Raises:
        Unsupported: it declares that it holds fewer.
    """
    return _of_both_routes(run, or_else=[DEFAULT])


def on_two_connections(run: Run) -> list[str]:
    """Two streams: on usdm of two routes, so that no testee can have both on one connection. A
    testee whose streams are fixed keeps them.

    Raises:
        Unsupported: it declares that it holds fewer.
    """
    return _of_both_routes(run, or_else=books(2))


def _of_both_routes(run: Run, *, or_else: list[str]) -> list[str]:
    if run.testee.streams:
        return list(run.testee.streams)
    return choose(run, [DEFAULT, MARKET] if run.profile.carried_by else or_else)


def choose(run: Run, streams: list[str]) -> list[str]:
    """`streams`, if the testee can hold them.

    Raises:
        Unsupported: its streams are fixed, or it declares that it holds fewer.
    """
    if run.testee.streams:
        raise Unsupported("its streams are fixed: take MOCKEX_STREAMS and leave `streams` out")
    if run.testee.max_streams < len(streams):
        raise Unsupported(
            f"needs {len(streams)} streams; `max_streams` is {run.testee.max_streams}: declare "
            "more if it can hold more"
        )
    return streams
