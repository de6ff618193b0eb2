"""
What a dialog is known by, and what it consists of, as values.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import attrs

from sipws.dialog.machine import State
from sipws.message import URI, IncomingRequest, IncomingResponse, NameAddr, Replaces

__all__ = ["DialogID", "DialogState"]


class DialogID(NamedTuple):
    """
    A dialog's identifier (RFC 3261 section 12).

    A tag is C{None} where the peer has none, as those of RFC 2543 may have.

    @ivar callID: The Call-ID of all its messages.
    @ivar localTag: Ours.
    @ivar remoteTag: The peer's.
    """

    callID: str
    localTag: str | None
    remoteTag: str | None

    @classmethod
    def ofRequest(cls, request: IncomingRequest) -> DialogID:
        """Give the identifier of the dialog that a request from the peer is in."""
        # "For a UAS [...] the remote tag is set to the tag in the From field of the message, and
        # the local tag is set to the tag in the To field of the message."
        return cls(request.callID, request.toTag, request.fromTag)

    @classmethod
    def ofResponse(cls, response: IncomingResponse) -> DialogID:
        """Give the identifier of the dialog that a response from the peer is in."""
        return cls(response.callID, response.fromTag, response.toTag)

    @classmethod
    def ofReplaces(cls, replaces: Replaces) -> DialogID:
        """Give the identifier of the dialog of ours that a Replaces means (RFC 3891 section 3)."""
        # "the to-tag and from-tag parameters [are] matched as if they were tags present in
        # an incoming request."
        return cls(replaces.callID, replaces.toTag, replaces.fromTag)


@attrs.frozen
class DialogState:
    """
    The state of a dialog (RFC 3261 section 12), as it is at one moment.

    @ivar id: What it is known by.
    @ivar state: One of L{State}.
    @ivar localAddress: Our name, URI and tag: From of requests that we send.
    @ivar remoteAddress: The peer's: To of them.
    @ivar contact: Our Contact header.
    @ivar remoteTarget: Where requests go; C{None} until the peer says it.
    @ivar routeSet: What they go through: entries of Route, in order.
    @ivar localCSeq: The number of our last request; C{None} before the first.
    @ivar remoteCSeq: The number of the peer's last request; C{None} before the first.
    @ivar secure: Whether it was made by a request to a SIPS URI over TLS.
    @ivar madeBy: Number and method of the CSeq of the request that makes it.
    @ivar isUAC: Whether that request was ours.
    @ivar usages: What shares it: whatever its user names them by.
    """

    id: DialogID
    localAddress: NameAddr
    remoteAddress: NameAddr
    contact: str
    madeBy: tuple[int, str]
    isUAC: bool
    state: str = State.INITIAL
    remoteTarget: URI | None = None
    routeSet: tuple[str, ...] = ()
    localCSeq: int | None = None
    remoteCSeq: int | None = None
    secure: bool = False
    usages: tuple[Hashable, ...] = ()
