"""
An embedded SIP WebSocket server, for trying sipws and for tests.

Production wants Kamailio or the like; see L{EmbeddedServer}.
"""

from __future__ import annotations

from sipws.server.embedded import EmbeddedServer
from sipws.server.limits import ServerLimits
from sipws.server.location import Binding, Locations

__all__ = ["Binding", "EmbeddedServer", "Locations", "ServerLimits"]
