"""What an address may ask for: weights, requests, bans (rest A3, B1).

"Limits are per IP, never per key." A window is an interval of the clock (a full minute), not a
sliding one (rest A3, I; B1, O). What goes beyond it is answered 429 with the seconds until it ends;
whoever goes on is banned, longer each time (D: "from 2 minutes to 3 days"; I: after so many, and
twice as long each time). All of loopback is one address: everything here comes from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address
from math import ceil

from mockex.profile import Profile

_RAW = "RAW_REQUESTS"
_ADDRESSES = 4096  # so many are remembered before those that need not be are forgotten


class Counter(Enum):
    """What a request is counted by."""

    WEIGHT = "REQUEST_WEIGHT"
    FUNDING = "funding"  # "500 requests per 5 min together" (rest B2)


class Kind(Enum):
    """How a request is met."""

    SERVED = 200
    THROTTLED = 429
    BANNED = 418


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a request is met, and what it was charged. `until_ms`: a ban, since the epoch."""

    kind: Kind
    charged: int = 0
    retry_after_s: int = 0
    text: str = ""
    until_ms: int = 0


@dataclass(slots=True)
class _Window:
    """One limit of one address."""

    limit: int
    width_s: float
    text: str
    used: int = 0
    number: int = -1

    def turn(self, unix_s: float) -> None:
        """The window that is now open."""
        number = int(unix_s // self.width_s)
        if number != self.number:
            self.number, self.used = number, 0

    @property
    def ends_s(self) -> float:
        """When this window ends, since the epoch."""
        return (self.number + 1) * self.width_s


@dataclass(slots=True)
class _Address:
    windows: dict[object, _Window]
    refused: int = 0  # 429s of this period
    period_ends_s: float = 0.0
    bans: int = 0
    banned_until_s: float = 0.0
    seen_s: float = 0.0


def _name(address: str) -> str:
    try:
        known = ip_address(address)
    except ValueError:
        return address
    mapped = getattr(known, "ipv4_mapped", None) or known
    return "loopback" if mapped.is_loopback else str(mapped)


@dataclass(slots=True)
class Limits:
    """What each address has used up. Times in seconds since the epoch, on the exchange's clock."""

    profile: Profile
    _known: dict[str, _Address] = field(default_factory=dict)

    def charge(
        self, address: str, weight: int, unix_s: float, counter: Counter = Counter.WEIGHT
    ) -> Verdict:
        """Count a request of `weight` and say how it is met."""
        client = self._client(address, unix_s)
        for window in client.windows.values():
            window.turn(unix_s)
        if unix_s < client.banned_until_s:
            return self._banned(client, unix_s)
        if unix_s >= client.period_ends_s:
            client.refused = 0
        charged = self._add(client, counter, weight)
        counts = (
            w for name, w in client.windows.items() if name in (_RAW, Counter.WEIGHT, counter)
        )
        over = next((w for w in counts if w.used > w.limit), None)
        if over is None:
            return Verdict(Kind.SERVED, charged)
        client.refused += 1
        client.period_ends_s = over.ends_s
        if client.refused > self.profile.ban_after:
            self._ban(client, unix_s)
            return self._banned(client, unix_s)
        # At least 1: a client that waits 0 s only hits the wall again.
        wait = max(1, ceil(over.ends_s - unix_s))
        return Verdict(Kind.THROTTLED, charged, wait, over.text)

    def used(self, address: str) -> int:
        """Weight that this window has cost an address."""
        client = self._known.get(_name(address))
        return client.windows[Counter.WEIGHT].used if client else 0

    def refund(self, address: str, weight: int) -> None:
        """Take back what a refused request was charged."""
        self._known[_name(address)].windows[Counter.WEIGHT].used -= weight

    def _add(self, client: _Address, counter: Counter, weight: int) -> int:
        """Charge a request. "A 429 is cheap" (rest A3, I): one behind the limit costs little."""
        windows = client.windows
        if _RAW in windows:
            windows[_RAW].used += 1
        if counter is Counter.FUNDING and counter in windows:
            windows[counter].used += 1
            return 0
        window = windows[Counter.WEIGHT]
        over = window.used > window.limit
        charged = self.profile.throttled_weight if over else weight
        window.used += charged
        return charged

    def _ban(self, client: _Address, unix_s: float) -> None:
        longest = self.profile.longest_ban_s
        if unix_s - client.banned_until_s > longest:
            client.bans = 0  # so long ago that it is forgotten (I)
        length = min(self.profile.first_ban_s * 2 ** min(client.bans, 32), longest)
        client.bans += 1
        client.banned_until_s = unix_s + length
        client.refused = 0

    def _banned(self, client: _Address, unix_s: float) -> Verdict:
        until_s = client.banned_until_s
        until_ms = ceil(until_s * 1000)
        return Verdict(
            Kind.BANNED,
            retry_after_s=max(1, ceil(until_s - unix_s)),
            text=self.profile.banned.format(until_ms=until_ms),
            until_ms=until_ms,
        )

    def _client(self, address: str, unix_s: float) -> _Address:
        name = _name(address)
        client = self._known.get(name)
        if client is None:
            if len(self._known) >= _ADDRESSES:
                self._forget(unix_s)
            client = self._known[name] = _Address(self._windows())
        client.seen_s = unix_s
        return client

    def _windows(self) -> dict[object, _Window]:
        profile = self.profile
        windows: dict[object, _Window] = {
            Counter.WEIGHT: _Window(
                profile.weight_limit,
                profile.weight_window_s,
                profile.weight_exceeded.format(limit=profile.weight_limit),
            )
        }
        if profile.raw_limit is not None:
            text = profile.raw_exceeded.format(limit=profile.raw_limit)
            windows[_RAW] = _Window(profile.raw_limit, profile.raw_window_s, text)
        if profile.funding_limit is not None:
            text = profile.raw_exceeded.format(limit=profile.funding_limit)
            windows[Counter.FUNDING] = _Window(profile.funding_limit, profile.raw_window_s, text)
        return windows

    def _forget(self, unix_s: float) -> None:
        """Addresses whose windows and bans are over."""
        keep_s = self.profile.longest_ban_s
        for name, client in list(self._known.items()):
            last = max(client.seen_s + self.profile.raw_window_s, client.banned_until_s)
            if last < unix_s and (not client.bans or last + keep_s < unix_s):
                del self._known[name]
