"""Asking a server that runs already whether it is the one."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from mockex.faults.provisioning import Found, answering, at, find
from tests.faults.bare import World
from tests.faults.provisioning.asking import found, missing, reasons, serving, until
from tests.programs import ending


@contextmanager
def talking(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Something on a port of 127.0.0.1 that talks so to its first client; its URL."""

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            talk(client)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def refusal(url: str) -> str:
    return reasons(missing(at(url)))[url]


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("git", 'answers; its version cannot be told, it says "git"'),
        ("2.12.0", "answers, version 2.12.0"),
        ("v2.12.0", "answers, version 2.12.0"),
    ],
)
def test_a_server_that_answers_as_a_toxiproxy_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch, version: str, why: str
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving(json.dumps({"version": version})) as url:
        assert at(url) == Found("url", None, url, ((url, why),))
        assert found(at(url.replace("127.0.0.1", "localhost") + "/")).url == url


def test_a_toxiproxy_of_another_version_is_refused_by_name(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving('{"version": "2.9.0"}') as url:
        place = url.removeprefix("http://")
        why = f"a Toxiproxy 2.9.0 runs at {place}; 2.12.0 is needed"
        assert refusal(url) == why
        monkeypatch.setenv("MOCKEX_TOXIPROXY_URL", url)
        assert reasons(missing(find()))["MOCKEX_TOXIPROXY_URL"] == why


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (404, "no such page", "'404 Not Found'"),
        (503, "{}", "'503 Service Unavailable'"),
        (200, "<html>", "'<html>'"),
        (200, "", "nothing"),
        (200, '["version"]', "'[\"version\"]'"),
        (200, '{"version": "2.12.0", "name": "shop"}', '\'{"version": "2.12.0", "name"'),
        (200, "x" * 100, "'" + "x" * 60 + "…'"),
    ],
)
def test_where_something_else_answers_that_is_said(status: int, body: str, told: str) -> None:
    with serving(body, status) as url:
        why = refusal(url)
        place = url.removeprefix("http://")
        assert why.startswith(f"no Toxiproxy: {place}/version answers {told}")
        assert why.endswith(
            "start `toxiproxy-server -host 127.0.0.1` there, or name another address"
        )


def test_what_speaks_no_http_is_quoted() -> None:
    with talking(lambda client: client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")) as url:
        assert "answers 'SSH-2.0-OpenSSH_9.6', which is no HTTP" in refusal(url)


def test_what_ends_the_connection_at_once_is_said() -> None:
    with talking(lambda client: None) as url:
        assert re.search(r"answers nothing, which is no HTTP|reset by peer", refusal(url))


def test_what_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "_ANSWER_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        assert refusal(f"http://{place}").startswith(f"{place} takes connections and says nothing")


def test_what_never_comes_to_an_end_is_not_listened_to_for_ever() -> None:
    def drip(client: socket.socket) -> None:
        with suppress(OSError):  # until it is hung up on
            while True:
                client.sendall(b"x")
                time.sleep(0.005)

    with talking(drip) as url:
        assert "which is no HTTP" in refusal(url)


def test_where_nobody_listens_that_is_said() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{held.getsockname()[1]}"
        assert refusal(f"http://{place}").startswith(f"nothing listens at {place}; start ")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://192.0.2.7:8474", "192.0.2.7 is not this machine: links never leave the loopback"),
        ("http://0.0.0.0:8474", "0.0.0.0 is not this machine"),
        ("http://example.com:8474", "example.com is no address of this machine's loopback"),
        ("http://[::1]:8474", "::1 is no address of this machine's loopback"),
        ("https://127.0.0.1:8474", "'https://127.0.0.1:8474' cannot be used"),
        ("127.0.0.1:8474", "'127.0.0.1:8474' cannot be used"),
        ("http://127.0.0.1", "'http://127.0.0.1' cannot be used"),
        ("http://127.0.0.1:0", "'http://127.0.0.1:0' cannot be used"),
        ("http://me:pw@127.0.0.1:8474", "'http://me:pw@127.0.0.1:8474' cannot be used"),
        ("http://:8474", "'http://:8474' cannot be used"),
        ("http://127.0.0.1:many", "'http://127.0.0.1:many' is no URL"),
        ("http://127.0.0.1:99999", "'http://127.0.0.1:99999' is no URL"),
        ("http://127.0.0.1:8474/version", "'http://127.0.0.1:8474/version' has more than an addr"),
        ("http://127.0.0.1:8474?x", "'http://127.0.0.1:8474?x' has more than an address"),
        ("yes", "'yes' cannot be used"),
    ],
)
def test_an_address_that_cannot_be_is_refused_before_anybody_is_asked(url: str, why: str) -> None:
    told = refusal(url)
    assert told.startswith(why)
    assert told.endswith("expected http://127.0.0.1:PORT")


def test_a_url_that_does_not_serve_leaves_it_to_the_next_step(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCKEX_TOXIPROXY_URL", "http://192.0.2.7:8474")
    world.keep()
    answer = found(find())
    assert answer.how == "cache"
    assert reasons(answer)["MOCKEX_TOXIPROXY_URL"].startswith("192.0.2.7 is not this machine")


@pytest.mark.toxiproxy
def test_the_real_server_is_found_and_answers() -> None:
    binary = found(find(binary_only=True)).binary
    assert binary is not None
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        command = [str(binary), "-host", "127.0.0.1", "-port", str(port)]
        env = os.environ | {"LOG_LEVEL": "error"}
        with ending(subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)):
            url = f"http://127.0.0.1:{port}"
            until(lambda: isinstance(at(url), Found))
            assert found(at(url)).url == url
