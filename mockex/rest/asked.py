"""What an endpoint is given: the checked parameters, the market, and the moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mockex.market.executions import market_trades
from mockex.market.instruments import Instrument
from mockex.market.truth import History, Trade
from mockex.market.walk import Market
from mockex.market.windows import Rolling
from mockex.profile import Profile
from mockex.rest import refusals
from mockex.rest.messages import Answer
from mockex.rest.query import Query

STATUSES = ("TRADING", "HALT", "BREAK")  # rest C3: legal as a filter; there are two more


@dataclass(frozen=True, slots=True)
class Exchange:
    """What all requests share. `windows` are kept from request to request, because a window costs
    what has come and gone since it was last looked at. `epoch_ms` is the opening."""

    profile: Profile
    market: Market
    epoch_ms: int
    windows: dict[tuple[str, int, bool], Rolling] = field(default_factory=dict)

    @property
    def usdm(self) -> bool:
        """Whether this is the futures exchange."""
        return self.profile.name == "usdm"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that was found to be well-formed. `now_us` is in µs since the epoch; `micros`
    whether times are answered so (rest A1); `key` the API key."""

    exchange: Exchange
    query: Query
    now_us: int
    micros: bool = False
    key: str | None = None

    @property
    def profile(self) -> Profile:
        return self.exchange.profile

    @property
    def market(self) -> Market:
        return self.exchange.market

    @property
    def epoch_ms(self) -> int:
        """The opening, in ms since the epoch."""
        return self.exchange.epoch_ms

    @property
    def usdm(self) -> bool:
        return self.exchange.usdm

    @property
    def now_ms(self) -> int:
        """Now, in ms since the epoch."""
        return self.now_us // 1000

    @property
    def at_ms(self) -> int:
        """Now, in ms since the opening."""
        return self.now_ms - self.epoch_ms

    def now(self) -> int:
        """Now, in the unit of the answer."""
        return self.now_us if self.micros else self.now_ms

    def time(self, unix_ms: int) -> int:
        """A time in the unit of the answer."""
        return unix_ms * 1000 if self.micros else unix_ms

    def last(self, unix_ms: int) -> int:
        """The last ms of something in the unit of the answer: the last µs ends in 999."""
        return unix_ms * 1000 + 999 if self.micros else unix_ms

    def limit(self, default: int, most: int) -> int:
        """`limit`: how many of something.

        Raises:
            Refused: none, or more than `most` unless the profile cuts it (-1130; rest A2, I).
        """
        number = self.query.number("limit")
        if number is None:
            return default
        if number > most and self.profile.limit_above_most == "cut":
            return most
        if not 1 <= number <= most:
            raise refusals.invalid("limit")
        return number

    def time_of(self, name: str) -> int | None:
        """A parameter that is a time, in ms since the epoch; it may have been sent in µs."""
        number = self.query.number(name)
        if number is None or len(str(number)) < self.profile.microsecond_digits:
            return number
        return number // 1000

    def instruments(self) -> list[Instrument]:
        """Everything that REST knows of, in the order in which it was listed."""
        return [i for i in self.market.instruments.values() if i.universe == 1]

    def history(self, instrument: Instrument) -> History:
        """Everything that happened to a symbol."""
        return self.market.truth.history(instrument.symbol)

    def trades(self, instrument: Instrument) -> list[Trade]:
        """Every trade of the market in a symbol, oldest first. To be read."""
        return market_trades(self.market, instrument.symbol)

    def window(self, instrument: Instrument, width_ms: int, *, on_minute: bool) -> Rolling:
        """The rolling window of a symbol."""
        key = (instrument.symbol, width_ms, on_minute)
        kept = self.exchange.windows.get(key)
        if kept is None:
            kept = Rolling(
                self.market, instrument.symbol, self.epoch_ms, width_ms, on_minute=on_minute
            )
            self.exchange.windows[key] = kept
        return kept

    def named(self, name: str) -> Instrument:
        """The instrument of a symbol.

        Raises:
            Refused: there is none (-1121).
        """
        found = self.market.instruments.get(name.upper() if self.profile.any_case_symbols else name)
        if found is None or found.universe != 1:
            raise refusals.bad_symbol()
        return found

    def one(self) -> Instrument:
        """The instrument of `symbol`, which is mandatory, in the status that was asked for."""
        symbol = self.query.text("symbol")
        assert symbol is not None
        found = self.named(symbol)
        status = self.status()
        if status is not None and status != "TRADING":
            raise refusals.other_status()
        return found

    def status(self) -> str | None:
        """`symbolStatus`.

        Raises:
            Refused: no status that is a filter (-1122).
        """
        status = self.query.text("symbolStatus")
        if status is not None and status not in STATUSES:
            raise refusals.bad_symbol_status()
        return status

    def several(self, most: int | None = None) -> Instrument | Sequence[Instrument]:
        """The instrument of `symbol`; else those of `symbols`, at most so many; else all.

        A list leaves out what is in another status than `symbolStatus`; all that is traded here is
        TRADING.

        Raises:
            Refused: both (-1128), one that is not traded (-1121), one twice (-1151), too many.
        """
        names = self.query.names("symbols")
        if self.query.text("symbol") is not None:
            if names is not None:
                raise refusals.bad_combination()
            return self.one()
        if names is None:
            found = self.instruments()
        elif not names:
            raise refusals.empty("symbols")
        elif most is not None and len(names) > most:
            raise refusals.too_many(most, len(names))
        else:
            found = [self.named(name) for name in names]
            if len(set(names)) < len(names):
                raise refusals.repeated_symbol()
        return found if self.status() in (None, "TRADING") else []

    def each(
        self, say: Callable[[Asked, Instrument], dict[str, object]], most: int | None = None
    ) -> Answer:
        """An object for one symbol, an array for several or all (rest A4)."""
        found = self.several(most)
        if isinstance(found, Instrument):
            return Answer(say(self, found))
        return Answer([say(self, i) for i in found])
