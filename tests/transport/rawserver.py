"""
A WebSocket server of the simplest kind, in a thread and on a blocking socket:
it reads and writes when a test says so, and at no other time.
"""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import ssl
import threading
from collections.abc import Iterable
from pathlib import Path

from sipws.framing import applyMask
from tests.transport.certificates import Identity

__all__ = ["RawServer"]

#: How long anything may take, in seconds, before the thread ends by itself.
PATIENCE = 60.0

_CLOSE = 8
_PING = 9
_PONG = 0x8A


class RawServer(threading.Thread):
    """
    A server for one connection.

    @ivar uri: Where it listens.
    @ivar reads: Set while it is to read.
    @ivar answers: Whether it answers Pings.
    @ivar payloads: What came in text and binary frames.
    @ivar over: Set when the connection is gone.
    """

    def __init__(self, identity: Identity | None, folder: Path, flood: Iterable[bytes] = ()) -> None:
        """
        @param identity: The certificate, for C{wss}.
        @param folder: Where it may be put.
        @param flood: Frames that are sent first, as fast as they are taken.
        """
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self._context = None if identity is None else _serverContext(identity, folder)
        scheme, host = ("ws", "127.0.0.1") if identity is None else ("wss", "localhost")
        self.uri = f"{scheme}://{host}:{self._listener.getsockname()[1]}"
        self._flood = flood
        self.reads = threading.Event()
        self.answers = True
        self.payloads: list[bytes] = []
        self.over = threading.Event()
        self._closed = False

    def run(self) -> None:
        try:
            with self._listener:
                connection = self._listener.accept()[0]
            # Small buffers of the system's: what waits, waits in the client.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            connection.settimeout(PATIENCE)
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                self._serve(connection)
        except OSError:
            # The client has gone without a word, as it may.
            pass
        finally:
            self.over.set()

    def _serve(self, connection: socket.socket) -> None:
        _upgrade(connection)
        for frames in self._flood:
            connection.sendall(frames)
        self.reads.wait(PATIENCE)
        data = b""
        while not self._closed and (more := connection.recv(65_536)):
            data = self._take(connection, data + more)
            self.reads.wait(PATIENCE)

    def _take(self, connection: socket.socket, data: bytes) -> bytes:
        """Take the whole frames that data begins with, and give what follows."""
        at = 0
        while (frame := _parse(data, at)) is not None:
            opcode, payload, at = frame
            if opcode in (1, 2):
                self.payloads.append(payload)
            elif opcode == _CLOSE:
                self._closed = True
            elif opcode == _PING and self.answers:
                connection.sendall(bytes((_PONG, len(payload))) + payload)
        return data[at:]


def _parse(data: bytes, at: int) -> tuple[int, bytes, int] | None:
    if len(data) < at + 14:
        # The shortest frames alone fit into less; none of them ends in the midst of a header.
        if len(data) < at + 6 or (data[at + 1] & 127) > 125:
            return None
    length, start = data[at + 1] & 127, at + 2
    if length == 126:
        length, start = int.from_bytes(data[start : start + 2], "big"), start + 2
    elif length == 127:
        length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
    end = start + 4 + length
    if end > len(data):
        return None
    return data[at] & 15, applyMask(data[start + 4 : end], data[start : start + 4]), end


def _upgrade(connection: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(65_536)
        if not more:
            raise ConnectionError("no upgrade")
        head += more
    match = re.search(rb"Sec-WebSocket-Key: (\S+)", head)
    assert match is not None
    digest = hashlib.sha1(match[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def _serverContext(identity: Identity, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.write(folder, "raw.pem", identity.certificatePEM, identity.keyPEM))
    return context
