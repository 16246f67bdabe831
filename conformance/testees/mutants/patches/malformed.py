"""Wrong about what frames and messages may look like."""

from __future__ import annotations

from websockets.frames import Frame, Opcode
from websockets.protocol import State

from mockex_adapter.link import Socket
from patches import mutant

_MESSAGES = frozenset(Opcode) - {Opcode.CONT}


@mutant
def one_read_one_message() -> None:
    """Takes each read from the socket for one frame, and each frame for one message: what is not
    whole is handed on as it is, what stands behind it is never looked at."""
    data_received = Socket.data_received

    def took_one(self: Socket, data: bytes) -> None:
        if self.protocol.state is State.OPEN:
            data = _first_frame(data)
        if data:
            data_received(self, data)

    Socket.data_received = took_one


def _first_frame(data: bytes) -> bytes:
    """The first frame of a read as a whole message; nothing, if its header is not whole or of an
    unknown kind."""
    wide = {126: 2, 127: 8}.get(data[1] & 0x7F, 0) if len(data) > 1 else 0
    begin = 2 + wide
    opcode = data[0] & 0x0F
    if len(data) < begin or opcode not in _MESSAGES:
        return b""
    size = int.from_bytes(data[2:begin], "big") if wide else data[1] & 0x7F
    payload = data[begin : begin + size]
    return Frame(Opcode(opcode), payload).serialize(mask=False)
