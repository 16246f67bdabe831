"""Every check there is; `AnyCheck` decodes them from a recording."""

from mockex_conformance.checks.attempts import DelaysGrow, HerdIsSpread, NoStorm, WaitsAsTold
from mockex_conformance.checks.data import BookEqualsTruth
from mockex_conformance.checks.deliveries import DeliveriesAtMost
from mockex_conformance.checks.events import OnceInOrder, Presented
from mockex_conformance.checks.giving_up import NoSilentEnd
from mockex_conformance.checks.handover import (
    NoGapInDeliveries,
    OneUpgradePerRound,
    RenewedInTime,
)
from mockex_conformance.checks.heartbeat import NoPongTimeout, OwnPings, PongRepeats
from mockex_conformance.checks.presenting import AllPresented
from mockex_conformance.checks.process import (
    Alive,
    NothingLeft,
    SilentAfterClose,
    Terminates,
)
from mockex_conformance.checks.recovery import (
    AttemptRate,
    FewConnections,
    LiveAtEnd,
    NoAttempt,
    OneUpgradePerLoss,
    Recovered,
    Stays,
)
from mockex_conformance.checks.replacement import (
    LagGone,
    OnePerChange,
    OthersUntouched,
    SameEndpoint,
)
from mockex_conformance.checks.requests import MessageRate, NamedOnce, RequestSize, StreamsFit
from mockex_conformance.checks.resources import CpuAtMost, Flat, Slope
from mockex_conformance.checks.said import AnsweredInTime, LiveIsTrue, SilenceTold, Undisturbed
from mockex_conformance.checks.silence import FewAttemptsAfterPause, Kept, NoticedSilence
from mockex_conformance.checks.sockets import ClosedByTestee, NoSurplus, SocketsAtMost
from mockex_conformance.checks.subscriptions import NeverMultiplied, SubscriptionsEqual
from mockex_conformance.checks.traffic import TrafficFlat

AnyCheck = (
    Alive
    | AllPresented
    | AnsweredInTime
    | AttemptRate
    | BookEqualsTruth
    | ClosedByTestee
    | CpuAtMost
    | DelaysGrow
    | DeliveriesAtMost
    | FewAttemptsAfterPause
    | FewConnections
    | Flat
    | HerdIsSpread
    | Kept
    | LagGone
    | LiveAtEnd
    | LiveIsTrue
    | MessageRate
    | NamedOnce
    | NeverMultiplied
    | NoAttempt
    | NoGapInDeliveries
    | NoPongTimeout
    | NoSilentEnd
    | NoStorm
    | NoSurplus
    | NothingLeft
    | NoticedSilence
    | OnceInOrder
    | OnePerChange
    | OneUpgradePerLoss
    | OneUpgradePerRound
    | OthersUntouched
    | OwnPings
    | PongRepeats
    | Presented
    | Recovered
    | RenewedInTime
    | RequestSize
    | SameEndpoint
    | SilenceTold
    | SilentAfterClose
    | Slope
    | SocketsAtMost
    | Stays
    | StreamsFit
    | SubscriptionsEqual
    | Terminates
    | TrafficFlat
    | Undisturbed
    | WaitsAsTold
)

__all__ = [
    "Alive",
    "AllPresented",
    "AnsweredInTime",
    "AnyCheck",
    "AttemptRate",
    "BookEqualsTruth",
    "ClosedByTestee",
    "CpuAtMost",
    "DelaysGrow",
    "DeliveriesAtMost",
    "FewAttemptsAfterPause",
    "FewConnections",
    "Flat",
    "HerdIsSpread",
    "Kept",
    "LagGone",
    "LiveAtEnd",
    "LiveIsTrue",
    "MessageRate",
    "NamedOnce",
    "NeverMultiplied",
    "NoAttempt",
    "NoGapInDeliveries",
    "NoPongTimeout",
    "NoSilentEnd",
    "NoStorm",
    "NoSurplus",
    "NothingLeft",
    "NoticedSilence",
    "OnceInOrder",
    "OnePerChange",
    "OneUpgradePerLoss",
    "OneUpgradePerRound",
    "OthersUntouched",
    "OwnPings",
    "PongRepeats",
    "Presented",
    "Recovered",
    "RenewedInTime",
    "RequestSize",
    "SameEndpoint",
    "SilenceTold",
    "SilentAfterClose",
    "Slope",
    "SocketsAtMost",
    "Stays",
    "StreamsFit",
    "SubscriptionsEqual",
    "Terminates",
    "TrafficFlat",
    "Undisturbed",
    "WaitsAsTold",
]
