"""What holds for the payloads of every stream."""

from __future__ import annotations

import pytest

from mockex.names import parse
from mockex.profile import SPOT, USDM, Profile
from tests.streams.stepping import SYMBOL, Stepped

SPELLED = {"<symbol>": "ethusdc", "<levels>": "5", "<pair>": "ethusdc",
           "<contractType>": "perpetual", "<assetSymbol>": "usdtusd"}  # fmt: skip


def names(profile: Profile) -> list[str]:
    """A name of every kind of stream."""
    found = []
    for kind, options in profile.streams.items():
        text = kind.value
        for placeholder, value in SPELLED.items():
            text = text.replace(placeholder, value)
        option = next(iter(options))
        for placeholder in ("<interval>", "<window>"):
            text, option = text.replace(placeholder, option), "" if placeholder in text else option
        found.append(f"{text}@{option}" if option else text)
    return found


@pytest.mark.rule("spot-2.16")
@pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])
def test_symbols_are_in_upper_case_in_payloads_and_names_stay_as_they_were_asked_for(
    profile: Profile,
) -> None:
    exchange = Stepped(profile)
    asked = [name for name in names(profile) if (read := parse(name)) and read.subject]
    served = [n for n in asked if exchange.publisher.serves(parse(n))]  # type: ignore[arg-type]
    assert len(served) > len(asked) // 2
    spelled = set()
    for sent in exchange.run(10_000, *served):
        assert sent.stream in served
        if "s" in sent.payload:
            spelled.add(sent.payload["s"])
    assert SYMBOL in spelled
    assert all(symbol == symbol.upper() for symbol in spelled)


@pytest.mark.rule("spot-2.21")
@pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])
def test_streams_of_all_symbols_are_bare_arrays_unless_their_page_says_one_object(
    profile: Profile,
) -> None:
    exchange = Stepped(profile.with_(liquidations=1_000_000) if profile is USDM else profile)
    all_symbols = [name for name in names(profile) if name.startswith("!") and "@arr" in name]
    assert all_symbols
    shapes = {sent.stream: type(sent.payload) for sent in exchange.run(10_000, *all_symbols)}
    assert set(shapes) == set(all_symbols)
    assert {name for name, shape in shapes.items() if shape is not list} <= {"!forceOrder@arr"}
    assert shapes.get("!forceOrder@arr", dict) is dict


@pytest.mark.rule("spot-7.1", "spot-7.2")
@pytest.mark.parametrize("name", ["!ticker@arr", "!bookTicker"])
def test_what_is_retired_on_spot_is_a_name_that_is_never_sent(name: str) -> None:
    read = parse(name)
    assert read is not None
    assert SPOT.well_formed(name)
    assert not Stepped(SPOT).publisher.serves(read)
    assert Stepped(USDM).publisher.serves(read)


def test_each_kind_of_stream_has_a_name() -> None:
    for profile in (SPOT, USDM):
        assert {read.kind for name in names(profile) if (read := parse(name))} == {*profile.streams}
