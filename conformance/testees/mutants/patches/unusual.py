"""Right, but unusual: nothing may fail them."""

from __future__ import annotations

from mockex_adapter.backoff import Backoff
from mockex_adapter.exchange import Timers
from mockex_adapter.supervisor import Supervisor
from patches import mutant


@mutant
def per_stream_connections() -> None:
    """One connection for each stream."""
    Supervisor.room_for = lambda self, stream: not self.wanted and stream.route == self.route


@mutant
def slow_but_right() -> None:
    """Every limit at 90 % of what it declared."""
    first_s, cap_s = 0.9 * 5.0, 0.9 * 10.0

    def slow(self: Backoff) -> float:
        attempts, self._attempts = self._attempts, self._attempts + 1
        scale = self._cap_s / Timers().backoff_cap_s
        # Jitter of a tenth: slow, not in step.
        return scale * (first_s if attempts == 0 else cap_s * self._random.uniform(0.9, 1.0))

    Backoff.next_delay_s = slow
    defaults = Timers(
        stable_s=0.9 * 10.0,
        handshake_s=0.9 * 10.0,
        ack_s=0.9 * 10.0 / 2,
        probe_after_s=0.9 * 30.0,
        probe_wait_s=0.9 * 30.0,
        close_s=0.9 * 2.0,
    )
    scaled = Timers.scaled
    Timers.scaled = lambda self, factor: scaled(defaults, factor)
