"""The default application of C{twistd sipws}: a user agent that answers each MESSAGE with its own text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from sipws.message import IncomingRequest
    from sipws.ua import UserAgent

__all__ = ["echo"]


def echo(userAgent: UserAgent) -> None:
    """
    Have a user agent send the text of each MESSAGE back to whom it came from.

    It comes as a MESSAGE of its own, since the 2xx to a MESSAGE may hold no
    body (RFC 3428 section 7), with the Call-ID that it answers in In-Reply-To
    (RFC 3261 section 20.21).  A MESSAGE that is itself an answer, as that
    header says, gets none: two echoes would otherwise never end.
    """
    log = userAgent.getLogger("sip.echo")

    def failed(failure: Failure, caller: str) -> None:
        log.info("no echo to {caller}: {reason}", caller=caller, reason=failure.getErrorMessage())

    def answer(request: IncomingRequest) -> int:
        if request.hasHeader("In-Reply-To"):
            return 200
        caller = request.fromHeader.uri
        sent = userAgent.message(
            caller,
            request.body,
            contentType=request.contentType or "text/plain",
            headers=[("In-Reply-To", request.callID)],
        )
        sent.addErrback(failed, str(caller))
        return 200

    userAgent.handle("MESSAGE", answer)
