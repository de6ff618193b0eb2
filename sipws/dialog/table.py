"""
All dialogs of a user agent: L{Dialogs}.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator

from sipws.dialog.dialog import Dialog, Rejection
from sipws.dialog.machine import State
from sipws.dialog.values import DialogID
from sipws.errors import LimitExceeded
from sipws.message import IncomingRequest, IncomingResponse, OutgoingResponse

__all__ = ["Dialogs"]


class Dialogs:
    """
    A table of dialogs: whatever comes is matched to its dialog in constant time.

    @ivar limit: The most dialogs at a time.
    """

    __slots__ = ("_byID", "_early", "_onEnd", "limit")

    def __init__(self, limit: int = 10_000, onEnd: Callable[[Dialog], object] | None = None) -> None:
        """
        @param onEnd: Called with each dialog that is terminated, when it has left the table.
        """
        self.limit = limit
        self._onEnd = onEnd
        self._byID: dict[DialogID, Dialog] = {}
        # Those that one request of ours has made, and may still end: by Call-ID, our tag, and CSeq.
        # The method counts: a CANCEL that fails has the number of its INVITE.
        self._early: dict[tuple[str, str | None, tuple[int, str]], dict[DialogID, Dialog]] = {}

    def __len__(self) -> int:
        return len(self._byID)

    def __iter__(self) -> Iterator[Dialog]:
        return iter(list(self._byID.values()))

    @property
    def isFull(self) -> bool:
        """Whether there are as many as may begin."""
        return len(self._byID) >= self.limit

    def find(self, dialogID: DialogID) -> Dialog | None:
        """Give a dialog by its identifier."""
        return self._byID.get(dialogID)

    def receiveRequest(self, request: IncomingRequest) -> Dialog | Rejection | None:
        """
        Find the dialog of a request that came (RFC 3261 section 12.2.2).

        @param request: The request.
        @return: C{None} where the request is in no dialog: it has no To tag.  The
            dialog, which has taken it.  Or how to refuse it, unless it is
            an ACK, which is never answered: 481 where there is no such dialog.
        """
        if request.toTag is None:
            return None
        dialog = self._byID.get(DialogID.ofRequest(request))
        if dialog is None:
            return Rejection(481)
        return dialog.receiveRequest(request) or dialog

    def respond(
        self,
        request: IncomingRequest,
        response: OutgoingResponse,
        *,
        overTLS: bool = False,
        localCSeq: int | None = None,
    ) -> Dialog | None:
        """
        Make, confirm or end the dialog that our response to a request outside
        of dialogs means; to be called before the response is sent.

        @param request: The request, of a method that makes dialogs.
        @param response: The response.
        @param overTLS: Whether the request came over TLS.
        @param localCSeq: As with L{Dialog.ofRequest}.
        @return: The dialog; C{None} where there is none, or none any more.
        @raise LimitExceeded: There are too many already: 503 is an answer.
        @raise ParseError: The request makes no dialog as it is: 400 is an answer.
        @raise ValueError: The response makes no dialog as it is.
        """
        dialog = self._byID.get(DialogID(request.callID, response.toTag, request.fromTag))
        if response.statusCode >= 300:
            if dialog is not None:
                dialog.fail()
            return None
        if response.statusCode == 100:
            return dialog
        if dialog is None:
            self._checkLimit()
            dialog = self._add(
                Dialog.ofRequest(request, response, overTLS=overTLS, localCSeq=localCSeq, onEnd=self._remove)
            )
        elif response.statusCode >= 200:
            dialog.confirm()
        return dialog

    def receiveResponse(
        self, response: IncomingResponse, contact: str, *, secure: bool = False, usage: Hashable = None
    ) -> Dialog | None:
        """
        Take a response to a request of ours that makes dialogs, or is within one.

        Where the request forks, each To tag is a dialog of its own.  A final
        response other than 2xx ends all that the request made early.

        @param response: The response.
        @param contact: The Contact header of our request.
        @param secure: Whether our request went to a SIPS URI over TLS.
        @param usage: As with L{Dialog.receiveResponse}.
        @return: The dialog; C{None} where there is none, or none any more.
        @raise LimitExceeded: There are too many already, and the response is no 2xx.
        @raise ParseError: The response makes no dialog as it is.
        @raise ValueError: The Contact is none for it.
        """
        dialogID = DialogID.ofResponse(response)
        if response.statusCode >= 300:
            self._failed(response)
        dialog = self._byID.get(dialogID)
        if dialog is not None:
            dialog.receiveResponse(response, usage)
            self._index(dialog)
        elif self._establishes(response):
            # After a 2xx the peer takes itself to be in it: whoever does not want it has to end it there.
            if response.statusCode < 200:
                self._checkLimit()
            dialog = self._add(
                Dialog.ofResponse(response, contact, secure=secure, onEnd=self._remove, dialogID=dialogID)
            )
        return dialog if dialogID in self._byID else None

    def _establishes(self, response: IncomingResponse) -> bool:
        # A UAC "MUST be prepared to receive a response without a tag in the To field": a 2xx of RFC 2543.
        return 100 < response.statusCode < 300 and (response.toTag is not None or response.statusCode >= 200)

    def _failed(self, response: IncomingResponse) -> None:
        key = (response.callID, response.fromTag, (response.cseq, response.method))
        for dialog in list(self._early.get(key, {}).values()):
            dialog.fail()

    def _checkLimit(self) -> None:
        if self.isFull:
            raise LimitExceeded("too many dialogs", option="limit", limit=self.limit)

    def _add(self, dialog: Dialog) -> Dialog:
        self._byID[dialog.id] = dialog
        self._index(dialog)
        return dialog

    def _remove(self, dialog: Dialog) -> None:
        del self._byID[dialog.id]
        self._index(dialog)
        if self._onEnd is not None:
            self._onEnd(dialog)

    def _index(self, dialog: Dialog) -> None:
        """Have a dialog among the early ones of its request while it is, and no longer."""
        key = (dialog.id.callID, dialog.id.localTag, dialog.live.madeBy)
        if dialog.live.isUAC and dialog.live.state == State.EARLY:
            self._early.setdefault(key, {})[dialog.id] = dialog
        elif key in self._early:
            self._early[key].pop(dialog.id, None)
            if not self._early[key]:
                del self._early[key]
