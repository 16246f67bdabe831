"""Legal but unusual framing: the verdicts on readers of a few lines, in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockex_conformance.case import all_cases
from mockex_conformance.description import Description, Limits
from mockex_conformance.harness import batches
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.run import CaseRun
from mockex_conformance.verdict import CaseVerdict, Verdict

pytestmark = pytest.mark.timeout(120)

# A reader of its own, on one connection. `HOW` it reads: see the tests.
READER = """\
import asyncio, json
from urllib.parse import urlsplit

HOW, LEVEL = {how!r}, {level}


async def main(environ, stdin, stdout):
    def said(method, **params):
        if LEVEL:
            stdout(json.dumps({{"jsonrpc": "2.0", "method": method, "params": params}}))

    def present(text):
        try:
            data = json.loads(text)["data"]
        except (ValueError, TypeError):
            return
        if HOW != "says-nothing" and isinstance(data, dict) and data.get("e") == "aggTrade":
            said("event", stream=data["s"].lower() + "@aggTrade", id=data["a"])

    def first_frame(buffer):
        if len(buffer) < 2:
            return None
        wide = {{126: 2, 127: 8}}.get(buffer[1], 0)
        begin = 2 + wide
        size = int.from_bytes(buffer[2:begin], "big") if wide else buffer[1]
        if len(buffer) < begin + size:
            if HOW == "whole-frames":
                raise ValueError("half a frame")
            return None
        return buffer[0] & 0x80, buffer[0] & 0x0F, bytes(buffer[begin:begin + size]), begin + size

    def write(writer, opcode, payload):
        writer.write(bytes((0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload)

    async def session():
        at, streams = urlsplit(environ["MOCKEX_WS_URL"]), environ["MOCKEX_STREAMS"]
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        target = route + "/stream?streams=" + streams.replace(",", "/")
        head = "Host: x\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
        head += "Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n"
        writer.write(f"GET {{target}} HTTP/1.1\\r\\n{{head}}\\r\\n".encode())
        await reader.readuntil(b"\\r\\n\\r\\n")
        buffer, parts = bytearray(), []
        try:
            while data := await reader.read(1 << 16):
                buffer += data
                while (frame := first_frame(buffer)) is not None:
                    fin, opcode, payload, size = frame
                    del buffer[:size]
                    if HOW == "forgets-the-rest":
                        buffer.clear()
                    if opcode == 9 and HOW == "answers-between-messages" and parts:
                        continue
                    if opcode == 9:
                        write(writer, 10, payload)
                    elif opcode < 3:
                        parts.append(payload)
                        if fin or HOW == "blind-to-fin":
                            present(b"".join(parts))
                            parts.clear()
                if HOW == "small" and len(buffer) > 1 << 20:
                    write(writer, 8, (1009).to_bytes(2, "big") + b"too big")
                    return
        finally:
            writer.close()

    said("hello", protocol=1, name="x", version="1", supports=["event"])
    route = "/public" if "depth" in environ["MOCKEX_STREAMS"] else "/market"
    route = "" if environ["MOCKEX_PROFILE"] == "spot" else route
    while True:
        try:
            await session()
        except Exception:
            pass
        await asyncio.sleep(0.05)
"""


def judged(
    tmp_path: Path, how: str, profile: str = "usdm", *, level: int = 1, max_mib: float = 16
) -> CaseVerdict:
    (tmp_path / "reader.py").write_text(READER.format(how=how, level=level))
    limits = Limits(reconnect_first_ms=1000, reconnect_cap_ms=1000, max_message_mib=max_mib)
    testee = Description(
        name="t", command=["false"], entry="reader:main", cwd=tmp_path, level=level, limits=limits
    )
    cases = [c for c in all_cases().values() if c.number == "FUZZ-06"]
    plan = Plan(
        testees=[testee], cases=cases, out=tmp_path / "out", profiles=[profile],
        ground=Ground.VIRTUAL,
    )  # fmt: skip
    (verdict,) = batches.run(plan, lambda _: None)
    return verdict


def found(verdict: CaseVerdict) -> dict[str, tuple[str, str]]:
    """By check what the first finding says, and the fault before it."""
    assert verdict.verdict is Verdict.FAIL, verdict
    return {f.check: (f.message, f.fault) for f in reversed(verdict.findings)}


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("profile", ["spot", "usdm"])
def test_who_reads_frames_as_they_are_passes(tmp_path: Path, profile: str, level: int) -> None:
    verdict = judged(tmp_path, "right", profile, level=level)
    assert verdict.verdict is Verdict.PASS, verdict
    assert verdict.notes == []  # the slices were run


def test_who_forgets_what_stands_behind_a_frame_fails_also_by_what_the_exchange_sees(
    tmp_path: Path,
) -> None:
    for level in (0, 1):
        checks = found(judged(tmp_path, "forgets-the-rest", level=level))
        message, fault = checks["pong_repeats"]
        assert "the ping with payload b'fragment 1' on c1" in message
        assert fault.startswith("Fragment")
        assert ("all_presented" in checks) == (level > 0)


def test_who_takes_each_frame_for_a_message_loses_events_and_says_so_at_level_1(
    tmp_path: Path,
) -> None:
    message, fault = found(judged(tmp_path, "blind-to-fin"))["all_presented"]
    assert message.startswith("ethusdc@aggTrade: 3 of ")
    assert fault.startswith("Fragment")


def test_who_answers_no_ping_within_a_message_fails(tmp_path: Path) -> None:
    assert "pong_repeats" in found(judged(tmp_path, "answers-between-messages", level=0))


def test_who_needs_a_whole_frame_in_each_read_fails(tmp_path: Path) -> None:
    message, fault = found(judged(tmp_path, "whole-frames", level=0))["stays"]
    assert "the testee ended c1" in message
    assert fault.startswith("Enlarge")


def test_who_accepts_less_than_he_declares_fails_in_his_own_words(tmp_path: Path) -> None:
    message, fault = found(judged(tmp_path, "small"))["stays"]
    assert message.startswith("the testee ended c1 with 1009 (too big) although")
    assert fault.startswith("Enlarge")


def test_who_declares_what_he_accepts_is_sent_no_more(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "small", max_mib=1)
    assert verdict.verdict is Verdict.PASS, verdict
    assert verdict.notes == ["the array had 1 MiB instead of 8: `max_message_mib`"]


def test_without_a_link_the_slices_are_named_as_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def has_none(run: CaseRun, what: str) -> bool:
        run.notes.append(f"not run: {what}")
        return False

    monkeypatch.setattr(CaseRun, "has_link", has_none)
    verdict = judged(tmp_path, "right")
    assert verdict.verdict is Verdict.PASS, verdict
    assert verdict.notes == ["not run: slices of 3 bytes"]


def test_who_lists_events_and_says_none_passes_nothing(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "says-nothing")
    assert verdict.verdict is Verdict.INCONCLUSIVE, verdict
    assert verdict.reason == "it lists `event` under `supports`, and presented none"
