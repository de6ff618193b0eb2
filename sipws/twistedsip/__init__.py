"""
Code that was written for C{twisted.protocols.sip}, over WebSocket, unchanged.

A C{sip.Base}, be it Twisted's C{Proxy}, its C{RegisterProxy}, or a subclass of
one's own, is a C{DatagramProtocol}: it takes datagrams, and writes to a UDP
port.  These take the place of that port: L{WebSocketPort}, a WebSocket to a
server, and L{WebSocketServerPort}, WebSockets of clients.
"""

from __future__ import annotations

from sipws.twistedsip.client import WebSocketPort
from sipws.twistedsip.server import WebSocketServerPort

__all__ = ["WebSocketPort", "WebSocketServerPort"]
