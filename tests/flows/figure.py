"""
Figures of RFCs that run: each line is the next message of who sends it, as it is to be.

::

    alice -> bob      INVITE (sdp)
    alice <- bob      180 INVITE
    alice -> ...      BYE               it is on its way ...
    ... -> bob        BYE               ... and arrives
    alice -> proxy    INVITE (sdp)      nobody of that name is there: the test answers
    alice <- proxy    407 INVITE

What is in brackets is in the body; without them there is none.  Between two
figures the test does what the people in the RFC do.
"""

from __future__ import annotations

import re
from typing import Any

from sipws import Configuration, UserAgent
from sipws.message import IncomingRequest, IncomingResponse
from sipws.session import Session, Termination
from tests.flows.ladder import Ladder

__all__ = ["ANSWER", "OFFER", "Flow", "Message"]

_SDP = (
    "v=0\r\no={0} 1 1 IN IP4 {0}.invalid\r\ns=-\r\nc=IN IP4 {0}.invalid\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
)

OFFER, ANSWER = _SDP.format("offerer"), _SDP.format("answerer")

Message = IncomingRequest | IncomingResponse

_LINE = re.compile(r"(\S+) (->|<-) (\S+)\s+([0-9]{3} [A-Z]+|[A-Z]+)(?: \(([^)]*)\))?")


class Flow(Ladder):
    """
    User agents, whose calls are a figure of an RFC.

    @ivar calls: Their calls, the last of each.
    @ivar endings: How they ended, by the user agent's name, in order.
    @ivar headers: The headers of what the test answers, by status code.
    """

    def __init__(self, *names: str, proxies: int = 0, **options: Any) -> None:
        self.calls: dict[str, Session] = {}
        self.endings: dict[str, list[Termination]] = {name: [] for name in names}
        self.headers: dict[int, list[tuple[str, object]]] = {}
        self._proxies = proxies
        self._underWay: list[tuple[str, Message]] = []
        self._requests: dict[tuple[str, str], IncomingRequest] = {}
        super().__init__(*names, **options)

    def _start(self, name: str, options: dict[str, Any]) -> UserAgent:
        given = {"uri": f"sip:{name}@example.com", "wsServers": "ws://example.com", "register": False}
        agent = UserAgent(Configuration(**{**given, **options}), self.network.reactor)
        agent.on("invite", lambda session: self._note(name, session))
        agent.start()
        self.network.pump()
        self._connections[name] = self.network.connections[-1]
        return agent

    def _note(self, name: str, session: Session) -> Session:
        self.calls[name] = session
        session.on("terminated", self.endings[name].append)
        return session

    # What people do.

    def call(self, caller: str, callee: str, body: str = OFFER, **options: Any) -> Session:
        """One calls another."""
        return self._note(caller, self.agents[caller].invite(f"sip:{callee}@example.com", body, **options))

    def follow(self, name: str) -> None:
        """One does what it is referred to."""
        self.calls[name].on("refer", lambda reference: self._note(name, reference.follow(OFFER)))

    def establish(self, caller: str, callee: str) -> tuple[Session, Session]:
        """One calls another, who accepts."""
        self.call(caller, callee)
        self.see(f"{caller} -> {callee} INVITE (sdp)")
        self.calls[callee].accept(ANSWER)
        self.see(f"""{caller} <- {callee} 200 INVITE (sdp)
                     {caller} -> {callee} ACK""")
        return self.calls[caller], self.calls[callee]

    # What is seen.

    def see(self, figure: str) -> list[Any]:
        """
        See messages go.

        @return: They, in their order.
        """
        seen: list[Message] = []
        for line in filter(None, map(str.strip, figure.splitlines())):
            match = _LINE.match(line)
            assert match is not None, f"no line of a figure: {line}"
            left, arrow, right, label, body = match.groups()
            sender, receiver = (left, right) if arrow == "->" else (right, left)
            seen.append(self._go(line, sender, receiver, label, body))
        return seen

    def nothing(self) -> None:
        """Nothing else is on its way."""
        assert self.isQuiet(), [connection.received for connection in self._connections.values()]

    def over(self) -> None:
        """All calls are over, and nothing is left."""
        self.nothing()
        self.end()

    def _go(self, line: str, sender: str, receiver: str, label: str, body: str | None) -> Message:
        if sender != "..." and sender not in self.agents:
            return self._reply(sender, receiver, label)
        message = self._arrives(line, label) if sender == "..." else self._next(sender)
        assert _label(message) == label, f"{line}: {message!r}"
        assert _hasBody(message, body), f"{line}: {message.body!r}"
        if receiver == "...":
            self._underWay.append((label, message))
        elif receiver in self.agents:
            self._carry(message, receiver)
        elif isinstance(message, IncomingRequest):
            self._requests[sender, message.method] = message
        return message

    def _next(self, sender: str) -> Message:
        return self._take(sender)

    def _arrives(self, line: str, label: str) -> Message:
        for index, (each, message) in enumerate(self._underWay):
            if each == label:
                del self._underWay[index]
                return message
        raise AssertionError(f"{line}: that is not on its way")

    def _reply(self, sender: str, receiver: str, label: str) -> IncomingRequest:
        """Answer in the name of somebody who is not there."""
        status, method = label.split()
        request = self._requests[receiver, method]
        self._connections[receiver].respond(request, int(status), None, self.headers.get(int(status), ()))
        self.network.pump()
        return request

    # Proxies on the way, as they change messages (RFC 3261 section 16).

    def _carry(self, message: Message, receiver: str) -> None:
        text = bytes(message).decode()
        if self._proxies:
            change = self._forwarded if isinstance(message, IncomingRequest) else self._returned
            text = change(text, message)
        self._connections[receiver].send(text)
        self.network.pump()

    def _forwarded(self, text: str, request: Any) -> str:
        start, *lines = text.split("\r\n")
        lines = [line for line in lines if not line.startswith("Route:")]
        for number in range(1, self._proxies + 1):
            host = f"ss{number}.example.com"
            lines.insert(0, f"Via: SIP/2.0/WS {host};branch=z9hG4bKss{number}{request.viaBranch[7:]}")
            if request.method == "INVITE" and request.toTag is None:
                lines.insert(0, f"Record-Route: <sip:{host};lr>")
        return "\r\n".join([start, *lines])

    def _returned(self, text: str, _: object) -> str:
        start, *lines = text.split("\r\n")
        vias = [line for line in lines if line.startswith("Via:")]
        for via in vias[: self._proxies]:
            lines.remove(via)
        return "\r\n".join([start, *lines])


def _label(message: Message) -> str:
    if isinstance(message, IncomingRequest):
        return message.method
    return f"{message.statusCode} {message.method}"


def _hasBody(message: Message, wanted: str | None) -> bool:
    if wanted is None:
        return not message.body
    text = "v=0" if wanted == "sdp" else wanted
    return text.encode() in message.body
