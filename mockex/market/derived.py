"""All that follows from the one market by pure functions of the run's seed: the names that streams
and REST build on."""

from __future__ import annotations

from mockex.market.contracts import (
    Bracket,
    BracketChange,
    bracket_changes,
    brackets,
    delivery_ms,
    onboard_ms,
)
from mockex.market.executions import (
    BlockTrade,
    Execution,
    Liquidation,
    LiquidationBuffer,
    block_trade,
    block_trades,
    counted,
    execution,
    liquidations,
    without_rpi,
)
from mockex.market.indexes import (
    AssetIndex,
    Component,
    Composite,
    asset_index,
    asset_indexes,
    composite,
    composites,
)
from mockex.market.prices import (
    E8,
    FUNDING_MS,
    INTEREST_RATE,
    Mark,
    funding_rate,
    index,
    mark,
    next_funding_ms,
    open_interest,
    reference_price,
    spelled,
)
from mockex.market.rpi import Quantities, rpi_book, rpi_levels
from mockex.market.sessions import Session, schedule, sessions

__all__ = [
    "E8",
    "FUNDING_MS",
    "INTEREST_RATE",
    "AssetIndex",
    "BlockTrade",
    "Bracket",
    "BracketChange",
    "Component",
    "Composite",
    "Execution",
    "Liquidation",
    "LiquidationBuffer",
    "Mark",
    "Quantities",
    "Session",
    "asset_index",
    "asset_indexes",
    "block_trade",
    "block_trades",
    "bracket_changes",
    "brackets",
    "composite",
    "composites",
    "counted",
    "delivery_ms",
    "execution",
    "funding_rate",
    "index",
    "liquidations",
    "mark",
    "next_funding_ms",
    "onboard_ms",
    "open_interest",
    "reference_price",
    "rpi_book",
    "rpi_levels",
    "schedule",
    "sessions",
    "spelled",
    "without_rpi",
]
