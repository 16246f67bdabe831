"""Error codes and their texts, verbatim (rest A2; wire A9, B14)."""

from __future__ import annotations

from mockex.errors import BookUnknown, RequestRejected


class Refused(RequestRejected):
    """A request that is answered with an error object. `status` is that of HTTP."""

    def __init__(self, code: int, msg: str, status: int = 400) -> None:
        super().__init__(code, msg)
        self.status = status


def illegal(name: str, legal: str) -> Refused:
    """A value with characters that its parameter cannot have."""
    return Refused(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    )


def too_many(expected: int, received: int) -> Refused:
    """More parameters, or more symbols in a list, than an endpoint takes at all."""
    return Refused(-1101, f"Too many parameters; expected '{expected}' and received '{received}'.")


def duplicate() -> Refused:
    """A parameter that was sent twice."""
    return Refused(-1101, "Duplicate values for a parameter detected.")


def missing(name: str) -> Refused:
    """A mandatory parameter that is not there, or is there without a value."""
    return Refused(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def missing_both(one: str, other: str) -> Refused:
    """Neither of two parameters, one of which is mandatory."""
    return Refused(-1102, f"Param '{one}' or '{other}' must be sent, but both were empty/null!")


def unknown_parameter() -> Refused:
    """A parameter without a name."""
    return Refused(-1103, "An unknown parameter was sent.")


def unread(read: int, sent: int) -> Refused:
    """Parameters that the endpoint does not know."""
    return Refused(
        -1104,
        f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.",
    )


def empty(name: str) -> Refused:
    """An optional parameter without a value."""
    return Refused(-1105, f"Parameter '{name}' was empty.")


def bad_interval() -> Refused:
    """An interval that klines of this kind do not have."""
    return Refused(-1120, "Invalid interval.")


def bad_symbol() -> Refused:
    """A symbol that could be, and is not traded."""
    return Refused(-1121, "Invalid symbol.")


def bad_symbol_status() -> Refused:
    """A status that is no filter."""
    return Refused(-1122, "Invalid symbolStatus.")


def too_long(hours: int) -> Refused:
    """Start and end too far apart."""
    return Refused(-1127, f"More than {hours} hours between startTime and endTime.")


def bad_combination() -> Refused:
    """Optional parameters that exclude each other."""
    return Refused(-1128, "Combination of optional parameters invalid.")


def invalid(name: str) -> Refused:
    """A value that is well-formed and cannot be."""
    return Refused(-1130, f"Data sent for parameter '{name}' is not valid.")


def bad_ticker_type() -> Refused:
    """Neither FULL nor MINI."""
    return Refused(-1139, "Invalid ticker type.")


def repeated_symbol() -> Refused:
    """A symbol twice in a list."""
    return Refused(-1151, "Symbol is present multiple times in the list.")


def bad_time_unit() -> Refused:
    """A time unit that is none."""
    return Refused(
        -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
    )


def other_status() -> Refused:
    """A symbol in another status than the one asked for."""
    return Refused(-1220, "The symbol's status does not match the requested symbolStatus.")


def bad_key() -> Refused:
    """No API key where one is needed, or one that cannot be. 401 is not in the documents, and was
    seen (wire A9)."""
    return Refused(-2014, "API-key format invalid.", 401)


def no_trading_window() -> Refused:
    """A window in which nothing was traded."""
    return Refused(
        -2016,
        "No trading window could be found for the symbol. Try ticker/24hrs instead.",
    )


def no_reference_price() -> Refused:
    """A symbol without that feature."""
    return Refused(-2043, "This symbol doesn't have a reference price.")


def bad_depth_limit(limit: int) -> Refused:
    """usdm: a number of levels that is below the most and not in the list (wire A9)."""
    return Refused(-4021, f"{limit} is not valid depth limit")


def too_old() -> Refused:
    """usdm: aggregate trades of more than two days ago."""
    return Refused(-4166, "Search window is restricted to recent 2 days only.")


def book_unknown(error: BookUnknown) -> Refused:
    """A replay whose capture does not tell the book (I): whoever asks for one must not get half of
    it, and 503 is what clients try again after."""
    return Refused(-1000, f"The book is not known: {error}.", status=503)
