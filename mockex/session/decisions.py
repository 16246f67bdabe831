"""What the exchange does about each thing that happens: the decision tables.

Spot 10; usdm 3.1, 3.2, 4.1 to 4.3; corrected by wire A4, A5, A12. The session executes them and
decides nothing itself.

A cell is a row, or a `Choice` between rows by a setting of the profile: where the documents are
silent or the wire was seen to do several things. Which route carries which stream (usdm 2.3) is a
table as well, and stands in the profile: `Profile.routes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from mockex.profile import Profile
from mockex.session.effects import Close, CloseCode, Drop

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Choice(Generic[R]):
    """One of `rows`, by the value of the profile's `setting`."""

    setting: str
    rows: Mapping[object, R]

    def by(self, profile: Profile) -> R:
        """The row of this profile."""
        return self.rows[getattr(profile, self.setting)]


# --- what comes in, and the answer (spot 10) -------------------------------------------------


class Case(StrEnum):
    """What happened, as the first column of the table says it."""

    VALID = "valid request"
    MALFORMED_STREAM = "malformed stream"
    TOO_MANY_STREAMS = "one stream too many"
    UNKNOWN_PROPERTY = "unknown property"
    NOT_BOOLEAN = "property value is no boolean"
    PROPERTY_NAME = "property name missing or no string"
    UNKNOWN_METHOD = "unknown method"
    NO_METHOD = "no method"
    NOT_AN_OBJECT = "JSON that is no object"
    BAD_ID = "bad id"
    SURPLUS_PARAMETERS = "surplus parameters"
    PARAMS_NOT_ARRAY = "params is no array"
    NOT_JSON = "not JSON"
    CUT_REQUEST = "request beyond the size limit"
    BINARY = "binary frame"
    TOO_MANY_MESSAGES = "one message too many in a second"
    NO_PONG = "pong missing"
    PING = "ping frame"
    LIFETIME = "end of the lifetime"
    SHUTDOWN = "planned shutdown begins"
    SHUTDOWN_OVER = "planned shutdown"


class Reply(Enum):
    """The second column."""

    NONE = auto()
    RESULT = auto()
    ERROR = auto()
    PONG = auto()
    NOTICE = auto()


class Then(Enum):
    """The third column: the end of the connection, or nothing of the kind. Of a close: its code,
    and its reason as a field of `Texts`."""

    CONTINUE = None
    INVALID = (CloseCode.POLICY_VIOLATION, "invalid_request")
    TOO_MANY = (CloseCode.POLICY_VIOLATION, "too_many_requests")
    NO_PONG = (CloseCode.POLICY_VIOLATION, "pong_timeout")
    GOING_AWAY = (CloseCode.GOING_AWAY, None)
    DROP = ()


def ending(profile: Profile, then: Then) -> Close | Drop | None:
    """How the connection ends; None if it goes on."""
    match then.value:
        case (code, reason):
            return Close(code, getattr(profile.texts, reason) if reason else "")
        case ():
            return Drop()
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `code` and `text` (a field of `Texts`) of the error, whether it has the `id`, and
    what follows. `rules` are the sections that say so."""

    rules: tuple[str, ...]
    reply: Reply = Reply.NONE
    then: Then = Then.CONTINUE
    code: int = 0
    text: str = ""
    with_id: bool = True


def _error(
    *rules: str, code: int, text: str, with_id: bool = True, closes: bool | None = None
) -> Choice[Row]:
    """An error. wire A4: "an error with `id` leaves the socket open, an error without `id` is
    followed by close 1008"; the page's reading, before that: "close after codes 2, 3 and 4, stay
    open after 0 and 1" (spot 4.3, I). `closes` overrides the first."""
    if closes is None:
        closes = not with_id

    def row(ends: bool) -> Row:
        then = Then.INVALID if ends else Then.CONTINUE
        return Row(rules, Reply.ERROR, then, code, text, with_id)

    rows: dict[object, Row] = {"without_id": row(closes), "codes_2_3_4": row(code in (2, 3, 4))}
    return Choice("close_after_error", MappingProxyType(rows))


_NOT_JSON = {"code": 3, "text": "invalid_json", "with_id": False}

ANSWERS: Final[Mapping[Case, Row | Choice[Row]]] = MappingProxyType({
    Case.VALID: Row(("spot-4.2", "usdm-4"), Reply.RESULT),
    Case.MALFORMED_STREAM: _error(
        "spot-4.4", "usdm-4.2", "usdm-4.3", "wire-A4", code=2, text="invalid_stream", with_id=False
    ),
    Case.TOO_MANY_STREAMS: _error(
        "spot-3.5", "usdm-3.2", "wire-A4", code=4, text="too_many_streams", with_id=False
    ),
    Case.UNKNOWN_PROPERTY: _error("spot-4.3", code=0, text="unknown_property"),
    Case.NOT_BOOLEAN: _error("spot-4.3", code=1, text="expected_boolean"),
    Case.PROPERTY_NAME: _error("spot-4.3", "wire-A4", code=2, text="property_name"),
    Case.UNKNOWN_METHOD: _error("spot-4.3", "wire-A4", code=2, text="unknown_method"),
    Case.NO_METHOD: _error("spot-4.3", "wire-A4", code=2, text="missing_method"),
    Case.NOT_AN_OBJECT: _error("spot-4.3", code=2, text="missing_method", with_id=False),
    Case.BAD_ID: _error("spot-4.1", "usdm-4.1", code=2, text="request_id", with_id=False),
    Case.SURPLUS_PARAMETERS: _error("spot-4.3", "wire-A4", code=2, text="too_many_parameters"),
    Case.PARAMS_NOT_ARRAY: _error("wire-B12", code=2, text="params_not_array"),
    # Three behaviours were seen or told (wire A5).
    Case.NOT_JSON: Choice("invalid_json", MappingProxyType({
        "close": Row(("wire-A5",), then=Then.INVALID),
        "answer": Row(("wire-A5",), Reply.ERROR, **_NOT_JSON),  # type: ignore[arg-type]
        "answer_and_close": Row(
            ("spot-4.3", "wire-A5"), Reply.ERROR, Then.INVALID, **_NOT_JSON  # type: ignore[arg-type]
        ),
    })),
    # "Whether the socket closes afterwards is not said": it stays open (I).
    Case.CUT_REQUEST: _error(
        "wire-A12", code=3, text="cut_request", with_id=False, closes=False
    ),
    Case.BINARY: Row(("spot-3.5", "usdm-3.2"), then=Then.INVALID),
    Case.TOO_MANY_MESSAGES: Row(("spot-3.5", "usdm-3.2"), then=Then.TOO_MANY),
    Case.NO_PONG: Row(("spot-3.1.3", "usdm-3.1.1"), then=Then.NO_PONG),
    Case.PING: Row(("spot-3.1.7", "usdm-3.1.4"), Reply.PONG),
    # "close 1001 with an empty reason, with a switch for a bare TCP drop" (spot 3.2, I)
    Case.LIFETIME: Choice("close_shape", MappingProxyType({
        "close": Row(("spot-3.2", "usdm-1"), then=Then.GOING_AWAY),
        "drop": Row(("spot-3.2", "usdm-1"), then=Then.DROP),
    })),
    # "not documented for futures: off by default, same shape if enabled" (usdm 1, I)
    Case.SHUTDOWN: Choice("server_shutdown", MappingProxyType({
        True: Row(("spot-3.3",), Reply.NOTICE),
        False: Row(("usdm-1",)),
    })),
    Case.SHUTDOWN_OVER: Row(("spot-3.3", "usdm-1"), then=Then.GOING_AWAY),
})  # fmt: skip


def answer(profile: Profile, case: Case) -> Row:
    """The row of the table that this profile has for `case`."""
    cell = ANSWERS[case]
    return cell.by(profile) if isinstance(cell, Choice) else cell


# --- pongs (spot 3.1.4, 3.1.5; usdm 3.1.2, 3.1.3) ----------------------------------------------


class Settles(Enum):
    """What a pong does for the pings that are still to be answered."""

    NOTHING = auto()
    IT = auto()  # the ping that it copies
    UP_TO_IT = auto()  # the ping that it copies and every ping before
    ALL = auto()
    HOLDS_OFF = auto()  # nothing is settled, but the deadline is put off


# By: copies a ping; the setting `pong`; the setting `unsolicited_pong_keeps_alive`.
PONGS: Final[Mapping[tuple[bool, str, bool], Settles | Choice[Settles]]] = MappingProxyType({
    **dict.fromkeys(
        [(True, pong, keeps) for pong in ("strict", "any") for keeps in (False, True)],
        Choice("pong_settles", MappingProxyType({
            "all_before": Settles.UP_TO_IT,
            "itself": Settles.IT,
        })),
    ),
    (False, "strict", False): Settles.NOTHING,
    (False, "strict", True): Settles.HOLDS_OFF,
    (False, "any", False): Settles.ALL,
    (False, "any", True): Settles.ALL,
})  # fmt: skip


def settles(profile: Profile, *, copies: bool) -> Settles:
    """What a pong does that copies a ping, or does not."""
    cell = PONGS[copies, profile.pong, profile.unsolicited_pong_keeps_alive]
    return cell.by(profile) if isinstance(cell, Choice) else cell


# --- ids (spot 4.1, usdm 4.1) ----------------------------------------------------------------


class IdShape(StrEnum):
    """What stands, or does not stand, under `id`."""

    UNSIGNED = "0 to 2^63 - 1"
    NEGATIVE = "-2^63 to -1"
    TEXT = "up to 36 letters and digits"
    HYPHENATED = "the same, with hyphens"
    NULL = "null"
    MISSING = "no id"
    OTHER = "anything else"


# By the setting `id_rule`; `MISSING` goes as `missing_id` says: "the error table says it must be
# provided, while `null` is legal" (spot 4.1, I).
IDS: Final[Mapping[str, frozenset[IdShape]]] = MappingProxyType({
    "any": frozenset({IdShape.UNSIGNED, IdShape.NEGATIVE, IdShape.TEXT, IdShape.NULL}),
    "unsigned": frozenset({IdShape.UNSIGNED}),
})  # fmt: skip
MISSING_ID: Final[Mapping[str, bool]] = MappingProxyType({"error": False, "accept": True})


def accepts_id(profile: Profile, shape: IdShape) -> bool:
    """Whether a request with such an id is carried out."""
    if shape is IdShape.MISSING:
        return MISSING_ID[profile.missing_id]
    if shape is IdShape.HYPHENATED:
        # "Accept hyphens too: 36 is the length of a UUID" (spot 4.1, I)
        return profile.id_hyphens and IdShape.TEXT in IDS[profile.id_rule]
    return shape in IDS[profile.id_rule]


# --- handshakes (spot 2, 3.5; usdm 2.3) ------------------------------------------------------


class Attempt(StrEnum):
    """What can be wrong with a handshake's target, or with its moment."""

    TOO_LONG = "request target beyond the limit"
    NO_PATH = "path of no mode"
    UNROUTED = "no route where one is needed"
    BAD_TIME_UNIT = "unknown timeUnit"
    MALFORMED_STREAM = "malformed stream"
    TOO_MANY = "one attempt too many"


@dataclass(frozen=True, slots=True)
class Answer:
    """A handshake that is answered with this instead of a 101. `text` is a field of `Texts`; with a
    `code` it is an error of the exchange, without one it is sent as it is."""

    rules: tuple[str, ...]
    status: int
    text: str
    code: int | None = None
    retry_after: bool = False


REFUSALS: Final[Mapping[Attempt, Answer | Choice[Answer]]] = MappingProxyType({
    Attempt.TOO_LONG: Answer(("spot-2",), 414, "target_too_long"),
    Attempt.NO_PATH: Answer(("spot-2", "wire-B13"), 404, "no_path"),
    Attempt.UNROUTED: Answer(("usdm-2.3",), 404, "no_path"),
    Attempt.BAD_TIME_UNIT: Answer(("spot-2",), 400, "bad_time_unit", -1194),
    Attempt.MALFORMED_STREAM: Answer(("spot-4.4",), 400, "invalid_stream", 2),
    Attempt.TOO_MANY: Choice("attempts_refusal", MappingProxyType({
        429: Answer(("spot-3.5",), 429, "too_many_attempts", -1034, retry_after=True),
        403: Answer(("spot-3.5", "rest-A2"), 403, "firewall"),
        418: Answer(("spot-3.5", "rest-A2"), 418, "too_many_attempts", -1034, retry_after=True),
    })),
})  # fmt: skip


def refusal(profile: Profile, attempt: Attempt) -> Answer:
    """The answer that this profile has for `attempt`."""
    cell = REFUSALS[attempt]
    return cell.by(profile) if isinstance(cell, Choice) else cell
