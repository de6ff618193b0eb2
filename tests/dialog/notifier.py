"""A notifier: who subscribes hears at once what is so, in a dialog."""

from __future__ import annotations

from secrets import token_hex

from twisted.internet.defer import Deferred

from sipws import IncomingRequest, OutgoingRequest, OutgoingResponse, UserAgent
from sipws.dialog import Dialog, Dialogs, Rejection
from sipws.errors import LimitExceeded, ParseError
from sipws.message import IncomingResponse
from sipws.ua import Reply


class Notifier:
    """Serves SUBSCRIBE, until a subscriber lets it go."""

    def __init__(self, userAgent: UserAgent, contact: str) -> None:
        self.userAgent = userAgent
        self.contact = contact
        self.dialogs = Dialogs(limit=100)
        userAgent.handle("SUBSCRIBE", self.subscribe)

    def subscribe(self, request: IncomingRequest) -> Reply | OutgoingResponse:
        found = self.dialogs.receiveRequest(request)
        if isinstance(found, Rejection):
            return Reply(found.statusCode, headers=found.headers)
        toTag = None if found is not None else token_hex(8)
        answer = OutgoingResponse(
            request, 200, headers=[("Contact", self.contact), ("Expires", "600")], toTag=toTag
        )
        if found is None:
            try:
                found = self.dialogs.respond(request, answer)
            except LimitExceeded:
                return Reply(503, headers=[("Retry-After", "60")])
            except ParseError:
                return Reply(400)
            assert found is not None
            found.addUsage("subscription")
        else:
            found.accept(request)
        return answer

    def notify(self, dialog: Dialog, state: str, body: str) -> Deferred[None]:
        headers = [("Event", "presence"), ("Subscription-State", state), ("Content-Type", "text/plain")]
        return self.send(dialog, dialog.request("NOTIFY", headers, body))

    def send(self, dialog: Dialog, request: OutgoingRequest) -> Deferred[None]:
        sent = self.userAgent.request(request.method, request.requestURI, request.headers, request.body)
        return sent.addCallback(self.answered, dialog)

    def answered(self, response: IncomingResponse, dialog: Dialog) -> None:
        dialog.receiveResponse(response, "subscription")
