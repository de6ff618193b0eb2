"""SIP over WebSocket (RFC 7118) for Twisted."""
