"""
A SIP WebSocket server that agrees to everything: each request is answered 200,
an INVITE after a 180.

It stands in for a real server where clients are measured, and must never be
what is waited for.  So it speaks WebSocket (RFC 6455) by itself, as far as it
must, and copies header lines without parsing them: some six microseconds a
request, several requests a system call.

    python -m benchmarks.stubserver

prints the port that it listens on, on loopback, and ends with its input.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.error import ReactorNotRunning
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.stdio import StandardIO

__all__ = ["StubServer", "answer", "frame", "ring", "takeFrames"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10

#: Where the callee is, whoever it is.
_CALLEE = b"Contact: <sip:callee@127.0.0.1;transport=ws>"

#: The answer to every offer: that of a softphone without more than it must have.
_SDP = (
    b"v=0\r\no=- 7595655801978680453 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 49170 UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
)

#: The header lines that a response takes over as they are (RFC 3261 section 8.2.6.2),
#: and a registrar's list of contacts (section 10.3), by their first four octets.
_COPIED = frozenset({b"Via:", b"From", b"Call", b"CSeq", b"Cont"})


class StubServer(Protocol):
    """One connection: first HTTP, then frames."""

    def __init__(self) -> None:
        self._buffer = b""
        self._open = False

    def dataReceived(self, data: bytes) -> None:
        """
        Answer whatever is complete.

        @param data: Octets as they come.
        """
        self._buffer += data
        if not self._open:
            self._upgrade()
        if self._open:
            frames, self._buffer = takeFrames(self._buffer)
            self._respond(frames)

    def _upgrade(self) -> None:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        assert self.transport is not None
        lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        proof = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + _GUID).digest())
        self._buffer = rest
        self._open = True
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Accept: " + proof + b"\r\n\r\n"
        )

    def _respond(self, frames: list[tuple[int, bytes]]) -> None:
        assert self.transport is not None
        answers = [_reply(opcode, payload) for opcode, payload in frames]
        self.transport.write(b"".join(answers))
        if any(opcode == _CLOSE for opcode, _ in frames):
            self.transport.loseConnection()


def takeFrames(buffer: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """
    Take the complete frames from the front of a buffer (RFC 6455 section 5.2).

    @param buffer: Octets that a client sent.
    @return: The opcodes and the unmasked payloads, and the octets left over.
    """
    frames = []
    at = 0
    while (found := _frameAt(buffer, at)) is not None:
        opcode, payload, at = found
        frames.append((opcode, payload))
    return frames, buffer[at:]


def _frameAt(buffer: bytes, at: int) -> tuple[int, bytes, int] | None:
    available = len(buffer) - at
    if available < 6:
        return None
    length = buffer[at + 1] & 0x7F
    start = at + 2
    if length >= 126:
        start += 2 if length == 126 else 8
        length = int.from_bytes(buffer[at + 2 : start], "big")
    end = start + 4 + length
    if end > len(buffer):
        return None
    mask = buffer[start : start + 4] * (length // 4 + 1)
    masked = int.from_bytes(buffer[start + 4 : end], "big")
    payload = (masked ^ int.from_bytes(mask[:length], "big")).to_bytes(length, "big")
    return buffer[at] & 0x0F, payload, end


def frame(opcode: int, payload: bytes) -> bytes:
    """
    Make a frame as a server sends it (RFC 6455 section 5.2).

    @param opcode: Its opcode.
    @param payload: Its payload, of at most 65,535 octets.
    @return: The frame.
    """
    length = len(payload)
    if length < 126:
        return bytes((0x80 | opcode, length)) + payload
    return bytes((0x80 | opcode, 126)) + length.to_bytes(2, "big") + payload


def answer(request: bytes) -> bytes:
    """
    Agree to a request.

    @param request: The request.
    @return: A response 200, nothing to an ACK or to what is not a request.
    """
    head = _head(request)
    if len(head) < 2 or head[0].startswith((b"ACK ", b"SIP/2.0 ")):
        return b""
    if head[0].startswith(b"INVITE "):
        lines = [*_begun(b"SIP/2.0 200 OK", head), b"Content-Type: application/sdp"]
        return b"\r\n".join([*lines, b"Content-Length: %d\r\n" % len(_SDP), _SDP])
    lines = [b"SIP/2.0 200 OK", *_copied(head)]
    if head[0].startswith(b"REGISTER "):
        lines.append(b"Expires: 600")
    lines.append(b"Content-Length: 0\r\n\r\n")
    return b"\r\n".join(lines)


def ring(request: bytes) -> bytes:
    """
    Say that somebody is called.

    @param request: An INVITE.
    @return: A response 180.
    """
    return b"\r\n".join([*_begun(b"SIP/2.0 180 Ringing", _head(request)), b"Content-Length: 0\r\n\r\n"])


def _head(request: bytes) -> list[bytes]:
    return request.partition(b"\r\n\r\n")[0].split(b"\r\n")


def _begun(start: bytes, head: list[bytes]) -> list[bytes]:
    """Begin a response that makes a dialog: with the callee's contact in place of the caller's."""
    return [start, *(line for line in _copied(head) if line[:4] != b"Cont"), _CALLEE]


def _copied(head: list[bytes]) -> list[bytes]:
    lines = []
    for line in head:
        if line[:3] == b"To:":
            lines.append(line if b";tag=" in line else line + b";tag=stub")
        elif line[:4] in _COPIED and line[:8] != b"Content-":
            lines.append(line)
    return lines


def _reply(opcode: int, payload: bytes) -> bytes:
    if opcode in (_TEXT, _BINARY):
        response = answer(payload)
        ringing = frame(_TEXT, ring(payload)) if payload[:7] == b"INVITE " else b""
        return ringing + frame(_TEXT, response) if response else b""
    if opcode == _PING:
        return frame(_PONG, payload)
    return frame(_CLOSE, payload) if opcode == _CLOSE else b""


class _Factory(ServerFactory):
    protocol = StubServer
    noisy = False


class _UntilInputEnds(Protocol):
    def connectionLost(self, reason: object = None) -> None:
        with contextlib.suppress(ReactorNotRunning):
            reactor.stop()


def main() -> None:
    """Listen on a free port of the loopback interface until the input ends."""
    listening = reactor.listenTCP(0, _Factory(), backlog=1024, interface="127.0.0.1")
    host = listening.getHost()
    assert isinstance(host, IPv4Address)
    print(host.port, flush=True)
    StandardIO(_UntilInputEnds())
    reactor.run()


if __name__ == "__main__":
    main()
