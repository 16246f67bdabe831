"""Wrong about silence and pings."""

from __future__ import annotations

import asyncio

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol

from mockex_adapter.link import Link, Socket
from mockex_adapter.supervisor import Supervisor
from patches import mutant


@mutant
def empty_pong() -> None:
    """Answers pings with an empty pong."""
    send_frame = Protocol.send_frame

    def emptied(self: Protocol, frame: Frame) -> None:
        send_frame(self, Frame(Opcode.PONG, b"") if frame.opcode is Opcode.PONG else frame)

    Protocol.send_frame = emptied


@mutant
def deaf() -> None:
    """Waits on a read without a limit."""

    async def never(self: Link, connection: Socket) -> None:
        await asyncio.Event().wait()

    Link._probe = never
    Supervisor._look_for_silence = lambda self, link, now: None
