"""How an exchange is made: from names and settings to one that runs while a block lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, ip_address
from pathlib import Path

from mockex.clock import wall_clock_ms
from mockex.errors import ConfigError
from mockex.faults.link import LinkTerms
from mockex.market.replay import Replay
from mockex.profile import Profile, profile_named
from mockex.server.authority import make_authority
from mockex.server.exchange import HOST, Exchange
from mockex.server.line import Line, ProxiedLine, SimulatedLine
from mockex.server.markets import make_market
from mockex.server.wire import SocketWire
from mockex.sim import SimLoop

DEFAULT_SYMBOLS = ("ETHUSDC", "BTCUSDC")


@asynccontextmanager
async def serve(
    profile: str | Profile = "spot",
    *,
    seed: int = 0,
    symbols: Sequence[str] = DEFAULT_SYMBOLS,
    market: str = "walk",
    step_ms: int = 100,
    rate: float = 1.0,
    volatility: float = 1.0,
    loop: bool = True,
    lenient: bool = False,
    settings: Mapping[str, object] | None = None,
    speed: float = 1.0,
    host: str = HOST,
    port: int = 0,
    rest_port: int = 0,
    journal: Path | str | None = None,
    tls: bool = False,
    authority: Path | str | None = None,
    toxiproxy: str | None = None,
    link: LinkTerms | str | None = None,
) -> AsyncIterator[Exchange]:
    """Run an exchange for as long as the block lasts, on 127.0.0.1 unless `host` says otherwise.

    `settings` changes settings of the profile (`Profile.with_`). `market` is `walk`, `steady`,
    `frozen` or `replay:FILE`. One that moves by itself does so every `step_ms`; a walk with `rate`
    times the usual updates, and about `volatility` times as far. A replay has the symbols of its
    capture; it is played round and round (`loop`) or once, and with `lenient` without the lines
    that are bad.
    `host` is an IPv4 address of this machine, or 0.0.0.0 for all of them: whoever reaches it can
    connect.
    `speed` is exchange seconds per second; `journal` a file that gets the journal as JSON lines.
    `tls`: wss:// and https://, with an authority of its own (`Exchange.authority_pem`) that
    `authority` names a file for.
    `toxiproxy`: `auto` puts the link of a Toxiproxy before every port, so that faults of a link can
    be injected; the URL of one that runs does so through it; `off` does not. `link` says what that
    line is from the beginning, as `LinkTerms` or its text (`latency=80ms,ends=reset`); with it,
    None means `auto`. In virtual time there is a link in any case, of the simulated network.

    Raises:
        ToxiproxyUnavailable: no Toxiproxy server is to be had; lists what was tried.
        LinkError: it does not start or answer.
        ConfigError: an unknown profile, setting or market, a symbol that cannot be, an address of
            somebody else, a taken port, a capture that cannot be replayed (`CaptureError`).
        OSError: a file that cannot be read or written.
    """
    chosen = profile_named(profile) if isinstance(profile, str) else profile
    if settings:
        chosen = chosen.with_(**settings)
    if tls and isinstance(asyncio.get_running_loop(), SimLoop):
        raise ConfigError("tls", True, "False in virtual time, whose sockets carry no TLS")
    line = _line_of(toxiproxy, LinkTerms.parse(link, "link") if isinstance(link, str) else link)
    if not _is_ipv4(host):
        raise ConfigError(
            "host", host, "an IPv4 address of this machine, or 0.0.0.0 for all of them"
        )
    if host != HOST and isinstance(line, ProxiedLine):
        raise ConfigError(
            "host", host, f"{HOST} behind a Toxiproxy, which takes only clients of this machine"
        )
    wire = SocketWire(make_authority() if tls else None)
    if authority is not None:
        if wire.authority is None:
            raise ConfigError("authority", str(authority), "tls=True beside it")
        wire.authority.write(Path(authority))
    moving = make_market(
        market,
        chosen,
        symbols,
        seed=seed,
        step_ms=step_ms,
        rate=rate,
        volatility=volatility,
        loop=loop,
        lenient=lenient,
    )
    exchange = Exchange(
        chosen,
        seed=seed,
        market=moving,
        speed=speed,
        journal=Path(journal) if journal is not None else None,
        wire=wire,
        line=line,
        host=host,
        # A full second, so that the exchange's grid is the one of its clock (wire B9).
        epoch_ms=(
            moving.opens_at(wall_clock_ms())
            if isinstance(moving, Replay)
            else wall_clock_ms() // 1000 * 1000
        ),
    )
    try:
        await exchange.open(port, rest_port)
        yield exchange
    finally:
        if hasattr(exchange, "_rest_listener"):
            await exchange.close()
        else:
            await line.close()
            exchange.journal.close()


def _is_ipv4(text: str) -> bool:
    try:
        return isinstance(ip_address(text), IPv4Address)
    except ValueError:
        return False


def _line_of(toxiproxy: str | None, terms: LinkTerms | None) -> Line:
    """The way that clients come.

    Raises:
        ConfigError: no link, but terms of one.
    """
    if terms is not None and toxiproxy == "off":
        raise ConfigError("toxiproxy", toxiproxy, "auto or a URL beside link")
    loop = asyncio.get_running_loop()
    if isinstance(loop, SimLoop):
        return SimulatedLine(loop, terms)
    if toxiproxy is None:
        toxiproxy = "off" if terms is None else "auto"
    return Line() if toxiproxy == "off" else ProxiedLine(toxiproxy, terms or LinkTerms())
