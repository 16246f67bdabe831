"""Wrong about what reaches the consumer."""

from __future__ import annotations

from typing import Any

from mockex_adapter.sync import Sequence
from patches import mutant


@mutant
def silent_holes() -> None:
    """Does not look at trade ids: whatever comes next on a stream of trades follows on."""
    follows = Sequence._follows

    def takes_any(self: Sequence, payload: dict[str, Any], event_id: int, last: int) -> bool:
        if self._stream.kind in ("aggTrade", "trade"):
            return True
        return follows(self, payload, event_id, last)

    Sequence._follows = takes_any
