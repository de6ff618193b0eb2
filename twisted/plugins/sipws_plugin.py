"""Makes C{twistd sipws} and C{twist sipws} known; L{sipws.tap} does the work."""

from twisted.application.service import ServiceMaker

sipws = ServiceMaker(
    "sipws",
    "sipws.tap",
    "A SIP user agent over WebSocket (RFC 7118), on an embedded server if it is given none.",
    "sipws",
)
