"""Every check there is; `AnyCheck` decodes them from a recording."""

from mockex_conformance.checks.data import BookEqualsTruth, OnceInOrder
from mockex_conformance.checks.deliveries import DeliveriesAtMost
from mockex_conformance.checks.heartbeat import PongRepeats
from mockex_conformance.checks.process import (
    Alive,
    Flat,
    NothingLeft,
    SilentAfterClose,
    Terminates,
)
from mockex_conformance.checks.recovery import (
    AttemptRate,
    LiveAtEnd,
    NoAttempt,
    OneUpgradePerLoss,
    Recovered,
    Stays,
)
from mockex_conformance.checks.replacement import OthersUntouched, SameEndpoint
from mockex_conformance.checks.sockets import ClosedByTestee, NoSurplus, SocketsAtMost
from mockex_conformance.checks.subscriptions import NeverMultiplied, SubscriptionsEqual
from mockex_conformance.checks.traffic import TrafficFlat

AnyCheck = (
    Alive
    | AttemptRate
    | BookEqualsTruth
    | ClosedByTestee
    | DeliveriesAtMost
    | Flat
    | LiveAtEnd
    | NeverMultiplied
    | NoAttempt
    | NoSurplus
    | NothingLeft
    | OnceInOrder
    | OneUpgradePerLoss
    | OthersUntouched
    | PongRepeats
    | Recovered
    | SameEndpoint
    | SilentAfterClose
    | SocketsAtMost
    | Stays
    | SubscriptionsEqual
    | Terminates
    | TrafficFlat
)

__all__ = [
    "Alive",
    "AnyCheck",
    "AttemptRate",
    "BookEqualsTruth",
    "ClosedByTestee",
    "DeliveriesAtMost",
    "Flat",
    "LiveAtEnd",
    "NeverMultiplied",
    "NoAttempt",
    "NoSurplus",
    "NothingLeft",
    "OnceInOrder",
    "OneUpgradePerLoss",
    "OthersUntouched",
    "PongRepeats",
    "Recovered",
    "SameEndpoint",
    "SilentAfterClose",
    "SocketsAtMost",
    "Stays",
    "SubscriptionsEqual",
    "Terminates",
    "TrafficFlat",
]
