"""
What requests outside of dialogs say of sessions that are there: INVITEs that are to take the
place of one (RFC 3891), and what comes from who knows of one (RFC 4538).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipws.dialog import DialogID
from sipws.errors import ParseError
from sipws.message import TargetDialog
from sipws.session.machine import State
from sipws.session.session import Session

if TYPE_CHECKING:
    from sipws.dialog import IUsages
    from sipws.message import IncomingRequest

__all__ = ["findReplaced", "findTarget"]

_OVER = frozenset({State.CANCELLING, State.LEAVING, State.TERMINATING, State.TERMINATED})


def findReplaced(usages: IUsages, request: IncomingRequest) -> Session | int | None:
    """
    Find the session that an INVITE is to take the place of (section 3).

    @return: C{None}: none, it is an INVITE like any other.  The session.  Or the
        status code to refuse the INVITE with.
    """
    if not request.hasHeader("Replaces"):
        return None
    try:
        # "If more than one Replaces header field is present in an INVITE, or if a Replaces header field is
        # present in a request other than INVITE, the UAS MUST reject the request with a 400 Bad Request
        # response."
        replaces = request.parseHeader("Replaces")
    except ParseError:
        return 400
    session = _sessionIn(usages, DialogID.ofReplaces(replaces))
    if session is None:
        # "If no match is found, the UAS rejects the INVITE and returns a 481 Call/Transaction Does Not
        # Exist response."
        return 481
    if session.state in _OVER:
        # "If the Replaces header field matches a dialog which has already terminated, the UA SHOULD
        # decline the request with a 603 Declined response."
        return 603
    if session.state == State.RINGING:
        # "If the Replaces header field matches an early dialog that was not initiated by this UA, it
        # returns a 481".
        return 481
    isEarly = session.state in (State.CALLING, State.EARLY)
    # "If the flag is present, the UA rejects the request with a 486 Busy response."
    return 486 if replaces.earlyOnly and not isEarly else session


def findTarget(usages: IUsages, request: IncomingRequest) -> Session | None:
    """Find the session that a request outside of dialogs knows of, as its Target-Dialog says (RFC 4538)."""
    try:
        target = request.parseHeader("Target-Dialog") if request.hasHeader("Target-Dialog") else None
    except ParseError:
        return None
    if not isinstance(target, TargetDialog):
        return None
    return _sessionIn(usages, DialogID(target.callID, target.localTag, target.remoteTag))


def _sessionIn(usages: IUsages, dialogID: DialogID) -> Session | None:
    dialog = usages.dialogs.find(dialogID)
    if dialog is None:
        return None
    return next((usage for usage in usages.members(dialog) if isinstance(usage, Session)), None)
