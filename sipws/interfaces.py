"""
Where the layers of sipws, and foreign SIP stacks, meet.

L{IUserAgent} is what L{sipws.transport.Transport} needs of its owner: exactly
what the text of C{SIP.Transport} lists under "Injected".  A SIP stack of one's
own implements it and gets SIP over WebSocket; L{sipws.ua.UserAgent} is the
implementation that comes with sipws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.logger import Logger

    from sipws.message.incoming import IncomingRequest, IncomingResponse
    from sipws.message.outgoing import OutgoingRequest, OutgoingResponse

__all__ = [
    "C",
    "IClientTransaction",
    "ISessionDescriptionHandler",
    "ITransactionTables",
    "ITransport",
    "ITransportConfiguration",
    "IUserAgent",
    "IWsServer",
]


class C:
    """The constants of C{SIP.UA.C}: the values of L{IUserAgent.status} and C{error}."""

    STATUS_INIT = 0
    STATUS_STARTING = 1
    STATUS_READY = 2
    STATUS_USER_CLOSED = 3
    STATUS_NOT_READY = 4

    CONFIGURATION_ERROR = 1
    NETWORK_ERROR = 2

    #: Max-Forwards of a request of ours (RFC 3261 section 8.1.1.6).
    MAX_FORWARDS = 70


class IWsServer(Interface):
    """A WebSocket server that a transport connects to."""

    ws_uri: str = Attribute("Its C{ws:} or C{wss:} URI (RFC 6455 section 3).")


class ITransportConfiguration(Interface):
    """
    What a transport reads of its user agent's configuration.

    Beside these, L{sipws.message.sanity.sanityCheck} applies the rules that
    need a user agent's identity only where the configuration has it:
    C{viaHost} (our sent-by) and C{sipjsId} (the prefix of our Call-IDs).  One
    that is a proxy, whose responses have several Vias, says so with C{isProxy}.
    """

    traceSip: bool = Attribute("Whether every message is logged, without its secrets.")
    wsServerMaxReconnection: float = Attribute(
        "How often a lost connection is tried again; infinity: without end."
    )
    wsServerReconnectionTimeout: float = Attribute("The gap between two attempts, in seconds.")


class IClientTransaction(Interface):
    """A client transaction (RFC 3261 section 17.1) as a transport sees it."""

    def receiveResponse(response: IncomingResponse) -> None:
        """Take a response that matched this transaction by branch and method."""


class ITransactionTables(Interface):
    """
    The open client transactions, each in its table under its branch
    (RFC 3261 section 17.1.3).

    L{sipws.message.sanity.sanityCheck} looks for merged requests (section
    8.2.2.2) only where the object also has C{findMerged(request) -> bool}.
    """

    ict = Attribute("The INVITE client transactions: a mapping of branch to L{IClientTransaction}.")
    nict = Attribute("The other client transactions, likewise.")


class ITransport(Interface):
    """
    What transactions and user agents need of a transport: a way to send, and
    its state.  L{sipws.transport.Transport} is one; a connection of the
    embedded server is another.
    """

    connected: bool = Attribute("Whether the WebSocket is open.")

    def send(msg: OutgoingRequest | OutgoingResponse | bytes | str) -> bool:
        """
        Send a message.  Never raises.

        @return: Whether the WebSocket was open for sending.
        """


class IUserAgent(Interface):
    """What a transport needs of the user agent that owns it, and nothing more."""

    transport: ITransport | None = Attribute("Assigned by each new transport: itself.")
    status: int = Attribute("One of the C{STATUS_*} constants of L{C}.")
    configuration: ITransportConfiguration = Attribute("See L{ITransportConfiguration}.")
    transactions: ITransactionTables = Attribute("See L{ITransactionTables}.")

    def getLogger(category: str) -> Logger:
        """Give the outlet for a part's log messages, such as C{sip.transport}."""

    def emit(event: str, *args: Any) -> Any:
        """Tell the user agent's listeners of an event."""

    def onTransportConnecting(transport: ITransport, attempts: int) -> None:
        """A connection is being attempted, for the C{attempts}-th time, from 1."""

    def onTransportConnected(transport: ITransport) -> None:
        """The WebSocket is open."""

    def onTransportClosed(transport: ITransport) -> None:
        """An open WebSocket was closed; C{transport.lastTransportError} says how."""

    def onTransportError(transport: ITransport) -> None:
        """The transport has given up: its attempts to reconnect are used up."""

    def receiveRequest(request: IncomingRequest) -> None:
        """A request that passed the sanity check has arrived."""


class ISessionDescriptionHandler(Interface):
    """
    What makes and takes the session descriptions of a session: where a media engine plugs in.

    Each method may return a Deferred, or be a coroutine's function.  A Deferred
    that a call or a re-INVITE of ours waits for is cancelled where the session ends before.
    """

    def makeOffer(session: Any) -> Any:
        """
        Make an offer (RFC 3264 section 5).

        @param session: The L{sipws.session.Session}.
        @return: A L{sipws.session.Description}.
        """

    def makeAnswer(session: Any, offer: Any) -> Any:
        """
        Make the answer to an offer of the peer's (RFC 3264 section 6).

        @param offer: A L{sipws.session.Description}.
        @return: A L{sipws.session.Description}.  Where it raises, the offer is refused with 488.
        """

    def takeAnswer(session: Any, answer: Any) -> Any:
        """
        Take the peer's answer to the last offer.

        @param answer: A L{sipws.session.Description}.  Where it raises, the session is ended.
        """

    def closed(session: Any) -> Any:
        """The session is over."""
