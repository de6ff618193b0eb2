"""
For tests of programs that use sipws: a network, a clock and a SIP WebSocket
server in memory.  No sockets, no sleeping, and always the same::

    network = MemoryNetwork()
    network.answer("REGISTER", acceptRegister)
    bot = UserAgent(Configuration(uri="sip:bot@example.com", wsServers="ws://example.com"), network.reactor)
    bot.start()
    network.advance(0)
    assert bot.registration.registered
"""

from sipws.testing.connection import MemoryConnection
from sipws.testing.descriptions import CannedDescriptions
from sipws.testing.host import MemoryHost
from sipws.testing.network import MemoryNetwork, acceptRegister

__all__ = ["CannedDescriptions", "MemoryConnection", "MemoryHost", "MemoryNetwork", "acceptRegister"]
