"""
What a handler may answer with, and what comes of it.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from sipws.message import IncomingRequest, OutgoingResponse

__all__ = ["Reply", "finalResponse"]


@attrs.frozen
class Reply:
    """
    A final response, as a handler returns it.

    @ivar statusCode: 200 to 699.
    @ivar reasonPhrase: C{None} for the one that goes with the code.
    @ivar headers: Further headers, name and value.
    @ivar body: Text goes out as UTF-8.
    @ivar contentType: The type of the body.
    """

    statusCode: int = 200
    reasonPhrase: str | None = None
    headers: Iterable[tuple[str, object]] = ()
    body: bytes | str = b""
    contentType: str | None = None

    def to(self, request: IncomingRequest, toTag: str) -> OutgoingResponse:
        """
        Make the response to a request.

        @param toTag: The tag that To gets where it has none.
        @raise ValueError: The code is none, or a header cannot be as it is given.
        """
        headers = list(self.headers)
        if self.contentType is not None:
            headers.append(("Content-Type", self.contentType))
        return OutgoingResponse(request, self.statusCode, self.reasonPhrase, headers, self.body, toTag=toTag)


def finalResponse(request: IncomingRequest, result: object, toTag: str) -> OutgoingResponse:
    """
    Make a response of what a handler returned.

    @param result: C{None} for 200, a status code, a L{Reply} or an C{OutgoingResponse} to this request.
    @raise TypeError: It is nothing of these.
    @raise ValueError: It is no final response to this request.
    """
    response = _response(request, result, toTag)
    if response.statusCode < 200:
        raise ValueError(f"a handler returned the provisional {response.statusCode}: send it with respond")
    if response.request is not request:
        raise ValueError("a handler returned a response to another request")
    if response.toTag is None:
        # RFC 3261 section 8.2.6.2: "the UAS MUST add a tag to the To header field in the response".
        response.setHeader("To", f"{request.getHeader('To')};tag={toTag}")
    return response


def _response(request: IncomingRequest, result: object, toTag: str) -> OutgoingResponse:
    if isinstance(result, OutgoingResponse):
        return result
    if result is None:
        return OutgoingResponse(request, 200, toTag=toTag)
    if isinstance(result, int) and not isinstance(result, bool):
        return OutgoingResponse(request, result, toTag=toTag)
    if isinstance(result, Reply):
        return result.to(request, toTag)
    raise TypeError(f"a handler returned a {type(result).__name__}, not None, a status code or a Reply")
