"""Profiles: what the shipped files hold, and files of users laid over them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mockex.errors import ConfigError
from mockex.names import Kind
from mockex.profile import CURRENT, FOLDER, NAMES, PROFILES, SPOT, USDM, Profile, profile_named
from mockex.profiles.reading import Origin, Parsed, parse

FILES = [FOLDER / f"{dated}.toml" for dated in CURRENT.values()]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def leaves(parsed: Parsed) -> list[tuple[str | int, ...]]:
    """The places of all values of a file: fields, or entries of fields that are tables."""
    places: list[tuple[str | int, ...]] = []
    for name, value in parsed.values.items():
        if isinstance(value, dict) and (name,) not in parsed.origins:
            places += [(name, part) for part in value]
        else:
            places.append((name,))
    return places


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_value_of_a_shipped_file_says_where_it_is_from_and_since_when(path: Path) -> None:
    parsed = parse(path)
    for place in leaves(parsed):
        if place == ("name",):
            continue
        origin = parsed.origins.get(place)
        assert origin is not None, f"{place} has no origin"
        assert origin.rules, f"{place} names no rule"
        assert re.fullmatch(r"\d{4}(-\d\d){0,2}", origin.date), f"{place}: date {origin.date!r}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_file_holds_every_setting_and_nothing_else(path: Path) -> None:
    parsed = parse(path)
    assert parsed.values.keys() == set(Profile.__dataclass_fields__) - {"dated"}


def test_profiles_are_found_by_their_names_and_read_once() -> None:
    assert profile_named("spot") is SPOT is profile_named("spot-2026-11") is PROFILES["spot"]
    assert profile_named("usdm") is USDM is profile_named("usdm-2026-11") is PROFILES["usdm"]
    assert (SPOT.name, SPOT.dated) == ("spot", "spot-2026-11")
    assert (USDM.name, USDM.dated) == ("usdm", "usdm-2026-11")


def test_the_tables_of_a_profile_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        SPOT.streams[Kind.TRADE] = {}  # type: ignore[index]


@pytest.mark.rule("usdm-2.2.1", "usdm-2.2.2")
def test_every_stream_of_futures_is_delivered_by_exactly_one_route() -> None:
    public, market, private = USDM.carried_by.values()
    assert public | market == set(USDM.streams)
    assert not public & market
    assert not private


@pytest.mark.rule("usdm-2.3.3", "usdm-2.3.4", "wire-C6")
@pytest.mark.parametrize(
    ("unrouted", "delivers"),
    [("all", frozenset(USDM.streams)), ("public", USDM.carried_by["/public"]), ("refuse", None)],
)
def test_what_a_path_without_a_route_delivers_is_a_setting(
    unrouted: str, delivers: frozenset[Kind] | None
) -> None:
    routes = {route.prefix: route.carries for route in USDM.with_(unrouted=unrouted).routes}
    assert routes.get("") == delivers
    assert list(routes)[:3] == ["/public", "/market", "/private"]


def test_settings_are_changed_by_name_and_held_against_their_types() -> None:
    assert SPOT.with_(ping_interval_s=1).ping_interval_s == 1.0
    assert SPOT.with_(ping_interval_s=None).ping_interval_s is None
    assert SPOT.with_(streams=USDM.streams).streams == USDM.streams
    with pytest.raises(ConfigError, match="expected ping_interval_s, the nearest"):
        SPOT.with_(ping_intervall_s=1.0)
    with pytest.raises(ConfigError, match="profile setting: 'dated' is not usable"):
        SPOT.with_(dated="today")
    with pytest.raises(
        ConfigError, match='ping_interval_s: -1 is not usable, expected a number above 0 or "off"'
    ):
        SPOT.with_(ping_interval_s=-1)


def test_a_file_is_laid_over_its_base(mine: Path) -> None:
    mine.write_text(
        """
        base = "spot-2026-11"
        ping_interval_s = 5
        pong_deadline_s = "off"
        lifetime_s = { value = 60, from = "our staging", label = "O", date = "2026-11-20" }
        depth_limits = [5, 10]

        [texts]
        unknown_property = "What?"

        [streams]
        "<symbol>@trade" = "off"
        "<symbol>@depth" = { "" = 500 }
        """,
        encoding="utf-8",
    )
    made = profile_named(str(mine))
    assert made.dated == "spot-2026-11+mine"
    assert (made.ping_interval_s, made.pong_deadline_s, made.lifetime_s) == (5.0, None, 60.0)
    assert made.depth_limits == frozenset({5, 10})
    assert made.texts.unknown_property == "What?"
    assert made.texts.invalid_stream == SPOT.texts.invalid_stream
    assert Kind.TRADE not in made.streams
    assert made.streams[Kind.DIFF_DEPTH] == {"": 500}
    assert made.streams[Kind.KLINE] == SPOT.streams[Kind.KLINE]
    assert made.weight_limit == SPOT.weight_limit
    assert parse(mine).origins[("lifetime_s",)] == Origin(
        rules=("our staging",), label="O", date="2026-11-20"
    )


def test_a_base_may_be_another_file_beside_it(mine: Path) -> None:
    mine.write_text('base = "staging.toml"\nping_interval_s = 1\n', encoding="utf-8")
    mine.with_name("staging.toml").write_text(
        'base = "usdm"\nping_interval_s = 2\npong_deadline_s = 3\n', encoding="utf-8"
    )
    made = profile_named(str(mine))
    assert (made.ping_interval_s, made.pong_deadline_s) == (1.0, 3.0)
    assert made.dated == "usdm-2026-11+staging+mine"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("ping_intervall_s = 5", 2, "setting: 'ping_intervall_s' is not usable, expected "
         "ping_interval_s, the nearest there is"),
        ("\n# a comment\nping_interval_s = -5", 4, "ping_interval_s: -5 is not usable, expected a "
         'number above 0 or "off"'),
        ('ping_interval_s = "5"', 2, "ping_interval_s: '5' is not usable"),
        ("ping_interval_s = true", 2, "ping_interval_s: True is not usable"),
        ('max_streams = "off"', 2, "max_streams: 'off' is not usable, expected a whole number of "
         "at least 1"),
        ('id_rule = "none"', 2, 'expected "any" or "unsigned"'),
        ("[steams]\n", 2, "table: 'steams' is not usable, expected streams"),
        ('[streams]\n"<symbol>@trades" = { "" = 0 }', 3, "expected <symbol>@trade, the nearest"),
        ('[streams]\n"<symbol>@depth" = { "" = -1 }', 3, "-1 is not usable, expected a whole "
         "number of at least 0"),
        ('[streams]\n"<symbol>@depth" = 100', 3, "expected a table"),
        ('[texts]\ninvalid_steam = "x"', 3, "expected invalid_stream, the nearest"),
        ('stream_grammar = "("', 2, "'(' is not usable, expected a regular expression"),
        ("stream_grammar = 3", 2, "3 is not usable, expected a regular expression"),
        ("ping_interval_s = inf", 2, "inf is not usable, expected a number above 0"),
        ("ping_interval_s = nan", 2, "nan is not usable"),
        ("zzz = 1", 2, "setting: 'zzz' is not usable, expected one of "),
        ('[texts]\ninvalid_json = "at {line} and {place}"', 3, "in braces {column}, {line}; {{"),
        ('[texts]\ninvalid_json = "{line:d}"', 3, "in braces {column}, {line}"),
        ('[texts]\nunknown_property = "}"', 3, "in braces nothing"),
        ('banned = "until {when}"', 2, "in braces {until_ms}"),
        ("depth_weights = [\n  [100, 5],\n  [500],\n]", 2, "depth_weights: "),
        ('[carried_by."/public"]\nvalue = ["<symbol>@nothing"]', 2, "one of "),
        ('lifetime_s = { value = 1, form = "x" }', 2, "lifetime_s: 'form' is not usable, expected"),
        ('lifetime_s = { value = 1, label = "X" }', 2, "label: 'X' is not usable, expected D, O"),
        ("lifetime_s = { value = 1, from = 3 }", 2, "from: 3 is not usable, expected the id of a"),
        ('lifetime_s = { label = "O" }', 2, "expected a value beside where it is from"),
        ('name = "usdm"', 2, "name: 'usdm' is not usable, expected to be that of the base"),
        ("lifetime_s = ", 2, "is not usable, expected TOML"),
        ("lifetime_s = 1\nlifetime_s = 2", 3, "is not usable, expected TOML"),
        ("[texts", 2, "expected TOML"),
    ],
)  # fmt: skip
def test_what_a_file_says_wrongly_is_named_with_its_line(
    mine: Path, text: str, line: int, says: str
) -> None:
    mine.write_text(f'base = "spot-2026-11"\n{text}', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        profile_named(str(mine))
    assert f"mine.toml, line {line}" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lifetime_s = 1\n", 'base: None is not usable, expected base = "spot-2026-11"'),
        ("base = 3\n", "line 1: base: 3 is not usable, expected the name of a profile"),
        ('base = "spot-2026-12"\n', "expected spot-2026-11, the nearest"),
        ('base = "gone.toml"\n', "line 1: base: 'gone.toml' is not usable, expected a file"),
        ('# me\nbase = "mine.toml"\n', "line 2: base: 'mine.toml' is not usable, expected no "
         "circle of bases (mine.toml -> mine.toml)"),
    ],
)  # fmt: skip
def test_a_base_that_cannot_be_is_named(mine: Path, text: str, says: str) -> None:
    mine.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(says)):
        profile_named(str(mine))


def test_a_circle_of_several_files_is_named(mine: Path) -> None:
    mine.write_text('base = "other.toml"\n', encoding="utf-8")
    mine.with_name("other.toml").write_text('base = "./mine.toml"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.toml -> other\.toml -> mine\.toml"):
        profile_named(str(mine))


def test_a_file_that_cannot_be_read_is_named(mine: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        profile_named(str(mine))
    mine.write_text('base = "spot"\nx = ' + "[" * 5000, encoding="utf-8")
    with pytest.raises(ConfigError, match="nested less deeply"):
        profile_named(str(mine))
    with pytest.raises(ConfigError, match="Is a directory"):
        profile_named(f"{mine.parent}/")
    mine.write_bytes(b'base = "spot"\n# caf\xe9\n')
    with pytest.raises(ConfigError, match=r"mine\.toml, line 2: text: b'\\xe9' .* UTF-8"):
        profile_named(str(mine))


def test_a_name_that_is_neither_a_profile_nor_a_path_is_refused() -> None:
    with pytest.raises(ConfigError, match="one of spot, usdm, spot-2026-11, usdm-2026-11, or"):
        profile_named("coinm")
    assert NAMES == ("spot", "usdm", "spot-2026-11", "usdm-2026-11")


PAGE = (Path(__file__).resolve().parents[1] / "docs" / "profiles.md").read_text(encoding="utf-8")
(STAGING,) = re.findall(r"^```toml staging\.toml\n(.*?)^```$", PAGE, re.M | re.S)
MISTAKES = re.findall(r"^\| `(.+)` \| `(staging\.toml, line (\d+): .+)` \|$", PAGE, re.M)


def test_the_file_of_the_page_is_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("staging.toml").write_text(STAGING, encoding="utf-8")
    made = profile_named("staging.toml")
    assert made.dated == "spot-2026-11+staging"
    assert made.streams[Kind.DIFF_DEPTH] == {"": 500, "100ms": 100}


@pytest.mark.parametrize(("line", "says", "number"), MISTAKES)
def test_a_mistake_in_it_is_named_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, says: str, number: str
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = STAGING.splitlines()
    lines[int(number) - 1] = line
    Path("staging.toml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        profile_named("staging.toml")
    assert str(caught.value) == says


def test_the_page_has_mistakes() -> None:
    assert len(MISTAKES) > 8
