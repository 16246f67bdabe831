"""Secrets of many shapes, in many places: none gets through, and what is none stays."""

from __future__ import annotations

import base64
import hashlib
import json
import string
import uuid
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockex.doctor.scrubbing import REMOVED, Scrubber

BASE62 = string.ascii_letters + string.digits


def scrubbed(text: str, **environ: str) -> str:
    return Scrubber(environ, "/home/me").lines(text)


def digest(seed: bytes) -> bytes:
    return hashlib.sha512(seed).digest()


def base62(seed: bytes, length: int) -> str:
    return "".join(BASE62[byte % 62] for byte in (digest(seed) * 2)[:length])


def jwt(seed: bytes) -> str:
    parts = (b'{"alg":"HS256","typ":"JWT"}', digest(seed), digest(seed + b"2")[:32])
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


# What exchanges and others hand out. Each is drawn by lot, as they are; here from a seed.
SHAPES: dict[str, Callable[[bytes], str]] = {
    "binance key": lambda seed: base62(seed, 64),
    "listen key": lambda seed: base62(seed, 60),
    "signature": lambda seed: digest(seed)[:32].hex(),
    "md5": lambda seed: digest(seed)[:16].hex(),
    "base64": lambda seed: base64.b64encode(digest(seed)[:32]).decode(),
    "base64 of 64": lambda seed: base64.b64encode(digest(seed)).decode(),
    "github": lambda seed: "ghp_" + base62(seed, 36),
    "jwt": jwt,
    "uuid": lambda seed: str(uuid.UUID(bytes=digest(seed)[:16])),
}
drawn = st.builds(lambda shape, seed: SHAPES[shape](seed), st.sampled_from([*SHAPES]), st.binary())
# What somebody chose himself can only be known by what stands before it.
chosen = st.text(BASE62 + "!#$%+*~^._@-", min_size=6, max_size=40).filter(
    lambda text: text[0] not in "-=:>" and not text.isdigit()
)

NAMES = st.sampled_from(
    ["apiKey", "api_key", "API-KEY", "X-MBX-APIKEY", "secret", "apiSecret", "listenKey", "token",
     "access_token", "password", "passphrase", "signature", "DB_PWD", "privateKey", "sessionId"]
)  # fmt: skip


def leaks(text: str, secret: str) -> list[str]:
    """Parts of a secret that can be read in a text: eight characters are too many."""
    parts = {secret[i : i + 8] for i in range(max(1, len(secret) - 7))}
    return sorted(part for part in parts if part in text)


def places(lines: str) -> st.SearchStrategy[str]:
    return st.sampled_from(lines.replace("\\x1b", "\x1b").strip().splitlines())


BARE = r"""
{}
got {}
GET /ws/{} 101
GET /stream?streams={}&x=1
<{}>
key={},
"{}"
['{}']
\x1b[1m{}\x1b[0m
{{"x":["{}"]}}
{{"{}":1}}
{{"x":"GET /ws/{}"}}
{{"x":"{}
"""


@given(secret=drawn, place=places(BARE))
def test_what_looks_like_a_key_is_taken_out_wherever_it_stands(secret: str, place: str) -> None:
    assert leaks(scrubbed(place.format(secret)), secret) == []


NAMED = r"""
{n}={v}
x {n}={v} y
{n}: {v}
export {n}={v}
2026-11-26 INFO {n}="{v}" ok
?a=1&{n}={q}&b=2
{n}%3D{q}
'{n}': '{v}'
"{n}": "{v}"
{n} = '{v}'
{n} => {v}
{n}: Some("{v}")
--{n} {v}
--{n}={v}
run --{n} '{v}' x
[('{n}', '{v}')]
[(b'{n}', b'{v}')]
<{n}>{v}</{n}>
\x1b[33m{n}\x1b[0m=\x1b[36m{v}\x1b[0m
{{"{n}":"{v}"}}
{{"a":[{{"{n}":"{v}"}}]}}
{{"a":"{{\"{n}\":\"{v}\"}}"}}
{{"a":{{"{n}":{{"b":["{v}"]}}}}}}
{{"command":["x","--{n}","{v}"]}}
{{"name":"{n}","value":"{v}"}}
{{"headers":[["{n}","{v}"]]}}
{{"a":1,"{n}":"{v}
{{"{n}":["x","{v}
"""


@given(secret=chosen, name=NAMES, place=places(NAMED))
@example(secret="abc123,d;e&f)g", name="password", place="{n}={v}")
@example(secret="correct horse battery", name="passphrase", place='{{"{n}":"{v}"}}')
@example(secret="correct horse battery", name="passphrase", place="{n}: {v}")
@example(secret="00000000000000.0000000", name="apiKey", place="{n}%3D{q}")
def test_what_has_a_name_that_says_so_is_taken_out(secret: str, name: str, place: str) -> None:
    text = place.format(n=name, v=secret, q=quote(secret, safe=""))
    assert leaks(scrubbed(text), secret) == []


@given(secret=chosen | st.text(BASE62 + " \"'\\é\n", min_size=8, max_size=30))
def test_what_the_environment_holds_as_a_secret_is_taken_out_in_each_spelling(secret: str) -> None:
    text = f"a {secret} b\n{json.dumps({'x': secret})}\n/x/{quote(secret, safe='')}/y"
    assert leaks(scrubbed(text, BINANCE_API_SECRET=secret), secret) == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("wss://me:pass@example.test/ws", f"wss://{REMOVED}@example.test/ws"),
        ("Authorization: Basic bWU6cGFzcw==", f"Authorization: {REMOVED}"),
        ("sent 'Authorization': 'Bearer abc.def'", f"sent 'Authorization': {REMOVED}"),
        ("> Cookie: a=b; c=d", f"> Cookie: {REMOVED}; c=d"),
        ("Cookie: a=b; c=d", f"Cookie: {REMOVED}"),
        ("with Bearer abcdefgh", f"with Bearer {REMOVED}"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\nx", f"{REMOVED}\nx"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\ndef", REMOVED),
        ("a\0p\0i\0k\0e\0y\0=\0s\0e\0c", f"apikey={REMOVED}"),
        ("<password>x y</password>", f"<password>{REMOVED}</password>"),
        ("id 00000000-aaaa-bbbb-cccc-dddddddddddd", f"id {REMOVED}"),
        (
            '{"a":"{\\"b\\":1,\\"jwt\\":2}"}',
            f'{{"a":"{{\\"b\\": 1, \\"jwt\\": \\"{REMOVED}\\"}}"}}',
        ),
        ("/home/me/x /home/mexico", "~/x /home/mexico"),
    ],
)
def test_what_is_left_says_that_something_was_there(text: str, left: str) -> None:
    assert scrubbed(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "ethusdc@depth5@100ms/btcusdc@kline_1m/ethusdt@aggTrade",
        "incident-python-fix3-usdm-CONN-01-r2.jsonl",
        "at com.example.FeedSupervisor$ReconnectLoopWithBackOff.run(FeedSupervisor.java:120)",
        "/opt/adapter/node_modules/ws/lib/websocket.js:1203",
        "stale after 30000 ms, 1762819200000 17628192000001762819200000",
        "2026-11-26T07:18:02.123456Z INFO feed reconnecting attempt=3 wait_ms=200",
        "token refreshed, signature verified",
        '{"type":"delivered","t":3.25,"audience":3,"streams":{"ethusdc@depth5@100ms":[1,2,3,456]}}',
        '{"ping":"31373632383139323030303030","secret":null,"token":false}',
        "subscription/acknowledged-but-silent SUB-06",
        "[1, 2",
        "reconnect_attempts_count=3 and reconnect_attempts_counted= 4",
        "order-1762819200000 of 20261126T071802",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    scrubber = Scrubber({"PWD": "/opt/adapter", "API_KEY": "a"}, "/home/me")
    assert scrubber.lines(text) == text
    assert scrubber.removed == 0


def test_what_was_taken_out_is_counted_and_json_stays_json() -> None:
    scrubber = Scrubber({"TOKEN": "hunter22"})
    line = scrubber.lines('{"secret":"a","x":{"apiKey":"b"},"y":"hunter22"}')
    assert json.loads(line) == {"secret": REMOVED, "x": {"apiKey": REMOVED}, "y": REMOVED}
    assert scrubber.removed == 3


@pytest.mark.parametrize("depth", [100, 450, 900, 100_000])
def test_json_may_be_as_deep_as_it_likes(depth: int) -> None:
    line = "[" * depth + '{"apiKey":"abc def"}' + "]" * depth
    assert "abc" not in scrubbed(line)


@given(st.text(max_size=300))
def test_any_text_can_be_scrubbed_and_twice_is_once(text: str) -> None:
    once = scrubbed(text)
    assert scrubbed(once) == once


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        *(sign * 200_000 for sign in "a-['"),
        "a/" * 100_000,
        "token" * 40_000,
        "secret=" * 30_000,
        '{"token":' * 20_000,
    ],
)
def test_a_text_made_to_take_long_does_not(text: str) -> None:
    assert isinstance(scrubbed(text), str)  # the time limit of the tests judges
