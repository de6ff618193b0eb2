"""
The options of SIP.js 0.7 that are not taken, and why: whoever brings a
configuration from there is told, not left to wonder.
"""

from __future__ import annotations

__all__ = ["REFUSED"]

_MEDIA = "sipws carries signalling, and leaves media to its user"
_CALLS = "it concerns calls, which sipws does not make by itself"

#: Name to reason.
REFUSED = {
    "allowLegacyNotifications": "register a handler for NOTIFY",
    "authenticationFactory": "digest authentication is built in",
    "autostart": "call start(), or run a UserAgentService",
    "autostop": "call stop(), or run a UserAgentService",
    "custom": "keep it in a variable of your own",
    "hackCleanJitsiSdpImageattr": _MEDIA,
    "hackStripTcp": _MEDIA,
    "iceCheckingTimeout": _MEDIA,
    "log": "logs go to twisted.logger",
    "media": _MEDIA,
    "mediaConstraints": _MEDIA,
    "mediaHandlerFactory": _MEDIA,
    "noAnswerTimeout": _CALLS,
    "reliable": _CALLS,
    "rtcpMuxPolicy": _MEDIA,
    "stunServers": _MEDIA,
    "turnServers": _MEDIA,
}
