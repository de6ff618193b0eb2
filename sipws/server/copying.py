"""
What a message looks like when it is forwarded: RFC 3261 sections 16.6 (steps
1 to 9) and 16.7 (steps 3 and 9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from sipws.errors import ParseError
from sipws.interfaces import C
from sipws.message import Credentials, OutgoingRequest, OutgoingResponse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sipws.message import URI, IncomingRequest, IncomingResponse

__all__ = ["copyRequest", "copyResponse", "maxForwards"]

#: What a request's copy has anew.
_ANEW = frozenset({"Route", "Max-Forwards", "Content-Length", "Proxy-Authorization"})

#: What a response has from its request, or anew.
_FROM_REQUEST = frozenset({"Via", "From", "To", "Call-ID", "CSeq", "Content-Length", "Record-Route"})


def maxForwards(request: IncomingRequest) -> int | None:
    """
    Give the Max-Forwards of a request; C{None} where it has none.

    @raise ParseError: It is no number.
    """
    value = request.parseHeader("Max-Forwards")
    return value if isinstance(value, int) else None


def copyRequest(
    request: IncomingRequest,
    uri: URI,
    *,
    via: str,
    routes: Sequence[str],
    recordRoutes: Iterable[str],
    realm: str,
) -> OutgoingRequest:
    """
    Make the request that is forwarded.

    @param request: The one that came.
    @param uri: The target.
    @param via: The server's own Via.
    @param routes: The Route values that are left.
    @param recordRoutes: The Record-Route values to add.
    @param realm: Credentials for this realm were meant for the server, and
        stay there (RFC 3261 section 20.28).
    @raise ValueError: The request cannot be forwarded as it is.
    """
    left = maxForwards(request)
    headers: list[tuple[str, object]] = [("Via", via)]
    headers += (("Record-Route", value) for value in recordRoutes)
    headers += (("Route", value) for value in routes)
    headers.append(("Max-Forwards", C.MAX_FORWARDS if left is None else left - 1))
    headers += (pair for pair in request.headers if pair[0] not in _ANEW)
    headers += (("Proxy-Authorization", value) for value in _othersCredentials(request, realm))
    asked = _asRequestURI(uri)
    # A Request-URI that is left alone is left as it was written.
    text = request.requestURIText if asked is request.requestURI else str(asked)
    return OutgoingRequest(request.method, text, headers, request.body)


def _othersCredentials(request: IncomingRequest, realm: str) -> list[str]:
    values = request.getHeaders("Proxy-Authorization")
    return [value for index, value in enumerate(values) if _realmOf(request, index) != realm]


def _realmOf(request: IncomingRequest, index: int) -> str | None:
    try:
        credentials = request.parseHeader("Proxy-Authorization", index)
    except ParseError:
        return None
    return credentials.parameters.get("realm") if isinstance(credentials, Credentials) else None


def _asRequestURI(uri: URI) -> URI:
    # Section 16.6, step 2: "If the URI contains any parameters not allowed in a Request-URI,
    # they MUST be removed"; section 19.1.1 names the method parameter and headers.
    if not uri.headers and "method" not in uri.parameters:
        return uri
    parameters = {name: value for name, value in uri.parameters.items() if name != "method"}
    return attrs.evolve(uri, headers=(), parameters=parameters)


def copyResponse(
    request: IncomingRequest, response: IncomingResponse, challenges: Iterable[tuple[str, str]] = ()
) -> OutgoingResponse:
    """
    Make the response that is forwarded.

    Its Vias are those of the request: the same as the response's without the
    topmost, unless somebody has meddled with them.

    @param request: The request that the server was sent.
    @param response: The response to what was forwarded.
    @param challenges: Challenges of other responses to add (section 16.7, step 7).
    @raise ValueError: The response cannot be forwarded as it is.
    """
    headers = [pair for pair in response.headers if pair[0] not in _FROM_REQUEST]
    copy = OutgoingResponse(
        request, response.statusCode, response.reasonPhrase, [*headers, *challenges], response.body
    )
    # It has To and Record-Route of the request, as a user agent server's responses do (section 12.1.1).
    copy.setHeader("To", response.getHeader("To"))
    copy.removeHeader("Record-Route")
    for value in response.getLines("Record-Route"):
        copy.addHeader("Record-Route", value)
    return copy
