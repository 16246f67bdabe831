"""A server that runs already: whether a URL is one of a Toxiproxy that can be used."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from urllib.parse import urlsplit

from mockex.faults.provisioning.program import VERSION, Unfit

_ANSWER_S = 2.0
_RIGHT = "expected http://127.0.0.1:PORT"
_DO = "start `toxiproxy-server -host 127.0.0.1` there, or name another address"


def answering(url: str) -> tuple[str, str]:
    """The address as a URL without anything else, and what is known of the server there.

    Raises:
        Unfit: it is not of this machine, or no Toxiproxy of our version answers.
    """
    host, port = _address(url)
    said = _version_at(host, port)
    if said == "git":  # every build that was not told a number
        return f"http://{host}:{port}", 'answers; its version cannot be told, it says "git"'
    if said.removeprefix("v") != VERSION:
        raise Unfit(f"a Toxiproxy {said} runs at {host}:{port}; {VERSION} is needed")
    return f"http://{host}:{port}", f"answers, version {VERSION}"


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Unfit(f"{url!r} is no URL: {error}; {_RIGHT}") from None
    if parts.scheme != "http" or not host or not port or parts.username is not None:
        raise Unfit(f"{url!r} cannot be used: {_RIGHT}")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise Unfit(f"{url!r} has more than an address: {_RIGHT}")
    if host == "localhost":  # Toxiproxy's own default; RFC 6761: it is nothing else
        host = "127.0.0.1"
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        raise Unfit(f"{host} is no address of this machine's loopback: {_RIGHT}") from None
    if not address.is_loopback:
        raise Unfit(f"{host} is not this machine: links never leave the loopback; {_RIGHT}")
    return host, port


def _version_at(host: str, port: int) -> str:
    """What `GET /version` says there, with a limit on how long and how much it may say."""
    place = f"{host}:{port}"
    said = _exchange(host, port, f"GET /version HTTP/1.0\r\nHost: {place}\r\n\r\n".encode())
    head, _, body = said.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.[01] (\d{3}[^\r\n]*)", head)
    if status is None:
        raise Unfit(f"{place} answers {_short(said)}, which is no HTTP; {_DO}")
    if not status[1].startswith(b"200"):
        raise Unfit(f"no Toxiproxy: {place}/version answers {_short(status[1])}; {_DO}")
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or list(answer) != ["version"]:
        raise Unfit(f"no Toxiproxy: {place}/version answers {_short(body)}; {_DO}")
    return str(answer["version"])


def _exchange(host: str, port: int, request: bytes) -> bytes:
    place = f"{host}:{port}"
    said = b""
    try:
        with socket.create_connection((host, port), timeout=_ANSWER_S) as connection:
            connection.sendall(request)
            for _ in range(8):  # Toxiproxy's answer is one segment; who drips is not it
                part = connection.recv(4096)
                if not part:
                    break
                said += part
    except ConnectionRefusedError:
        raise Unfit(f"nothing listens at {place}; {_DO}") from None
    except OSError as error:
        if not said:  # else it is told by what it said
            quiet = isinstance(error, TimeoutError)
            why = "takes connections and says nothing" if quiet else error.strerror or str(error)
            raise Unfit(f"{place} {why}; {_DO}") from None
    return said


def _short(said: bytes) -> str:
    text = said.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= 60 else text[:60] + "…") if text else "nothing"
