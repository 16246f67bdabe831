"""Admission: the limit of attempts of one address, and what happens to attempts while a fault on
attempts is on.

Faults stand in the order of their injection; the first that still has something to do decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from mockex.faults.model import (
    AcceptThenClose,
    BadUpgrade,
    Fault,
    HangUpgrade,
    Outage,
    QuietStart,
    RefuseUpgrade,
    SlowUpgrade,
)
from mockex.server.handshake import UpgradeRequest
from mockex.server.injection import Injection, Unwatched
from mockex.session.decisions import Attempt
from mockex.session.effects import CloseCode
from mockex.session.limits import Attempts
from mockex.session.target import Refusal, Target, refuse

if TYPE_CHECKING:
    from mockex.server.connection import Connection
    from mockex.server.exchange import Exchange


class Rule:
    """One fault on attempts and what is left of it. `left` None: as many as come."""

    def __init__(self, fault: Fault, injection: Injection, attempts: int | None) -> None:
        self.fault = fault
        self.injection = injection
        self.left = attempts
        self.tried = False  # an attempt was counted
        self.under_way: set[Callable[[], None]] = set()  # each calls off what an attempt is to get

    @property
    def on(self) -> bool:
        """Whether it waits for attempts, or is not done with one."""
        return self.left != 0 or bool(self.under_way)

    def take(self) -> bool:
        """Count one; False if there are none left. `taken` is to follow once it happened."""
        if self.left == 0:
            return False
        self.tried = True
        if self.left is not None:
            self.left -= 1
        return True

    def taken(self, why: str = "") -> None:
        """What was counted has happened, or cannot and `why`: the end, if it was the last."""
        self.injection.let_go(why)

    def withdraw(self) -> None:
        """Nothing more of it."""
        if self.on:
            self.left = 0
            for call_off in tuple(self.under_way):
                call_off()
            self.injection.let_go()


class Admission:
    """Decides about each attempt."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._rules: list[Rule] = []
        profile = exchange.profile
        self._attempts = Attempts(profile.attempts_limit, profile.attempts_window_s)

    def add(self, fault: Fault, injection: Injection, attempts: int | None) -> Rule:
        """Apply `fault` to the next `attempts` attempts; None: until none are left to it."""
        rule = Rule(fault, injection, attempts)
        self._rules = [*(r for r in self._rules if r.on), rule]
        return rule

    def waits(self, injection: Injection) -> bool:
        """Whether a fault is on for attempts to come, or not done with one that came."""
        return any(r.injection is injection and r.on for r in self._rules)

    def withdraw(self, injection: Injection) -> None:
        """Nothing more of a fault."""
        for rule in self._rules:
            if rule.injection is injection:
                rule.withdraw()

    def clear(self) -> None:
        """Every attempt is served as it asks from now on."""
        for rule in self._rules:
            rule.withdraw()

    def too_many(self, address: str, *, failed: bool) -> Refusal | None:
        """Count a handshake; the answer if it is one too many. `failed`: it is refused anyway."""
        now, profile = self._exchange.now(), self._exchange.profile
        wait_s = self._attempts.wait_s(address, now)
        if profile.count_failed_attempts or not (failed or wait_s):
            self._attempts.count(address, now)
        return None if wait_s is None else refuse(profile, Attempt.TOO_MANY, math.ceil(wait_s))

    def attempted(self, connection: Connection) -> None:
        """A TCP connection was accepted."""
        rule = next((r for r in self._rules if isinstance(r.fault, Outage) and r.take()), None)
        if rule is None:
            return

        def unstoppable() -> None:
            """A RST comes, whatever is cleared."""

        def ended() -> None:
            rule.injection.happened([connection.number])
            rule.under_way.discard(unstoppable)
            rule.taken()

        rule.under_way.add(unstoppable)
        connection.when_ended(ended)
        connection.reset()

    def requested(self, connection: Connection, request: UpgradeRequest, target: Target) -> None:
        """A handshake that the exchange would accept."""
        rule = next((r for r in self._rules if not isinstance(r.fault, Outage) and r.take()), None)
        if rule is None:
            connection.upgrade(request, target)
            return
        number = connection.number
        match rule.fault:
            case SlowUpgrade(ms=ms):
                self._exchange.timers.after(ms / 1000, lambda: connection.upgrade(request, target))
                rule.injection.happened([number])
            case HangUpgrade(half=half, reset_ms=reset_ms):
                if half:
                    connection.write_head_half(request)
                if reset_ms is not None:
                    connection.reset_after(reset_ms / 1000)
                rule.injection.happened([number])
            case RefuseUpgrade(status=status, headers=headers, body=body):
                connection.refuse(status, body, request.target, tuple(headers.items()))
                rule.injection.happened([number])
            case BadUpgrade(kind=kind):
                connection.answer_badly(request, kind)
                rule.injection.happened([number], kind)
            case QuietStart():
                connection.gated().stall("data", rule.injection)
                connection.upgrade(request, target)
            case AcceptThenClose() as fault:
                self._accept_then_close(connection, request, target, fault, rule)
            case _:  # pragma: no cover - `add` is only called with the kinds above
                raise AssertionError(rule.fault)
        rule.taken()

    def _accept_then_close(
        self,
        connection: Connection,
        request: UpgradeRequest,
        target: Target,
        fault: AcceptThenClose,
        rule: Rule,
    ) -> None:
        if fault.events:
            connection.gated().allow(fault.events, rule.injection)
            connection.upgrade(request, target)
            return
        # No event may get out before the close: a step of the market can come first.
        quiet = Unwatched()
        connection.gated().stall("data", quiet)
        connection.upgrade(request, target)

        def close() -> None:
            if connection.live:
                connection.close(CloseCode.GOING_AWAY)
                rule.injection.happened([connection.number])
            over()

        def over() -> None:
            if call_off in rule.under_way:
                rule.under_way.discard(call_off)
                timer.cancel()
                rule.taken(f"its connection, c{connection.number}, ended first")

        def call_off() -> None:
            rule.under_way.discard(call_off)
            timer.cancel()
            connection.end_stall(quiet)

        timer = self._exchange.timers.after(fault.after_ms / 1000, close)
        rule.under_way.add(call_off)
        connection.when_ended(over)
