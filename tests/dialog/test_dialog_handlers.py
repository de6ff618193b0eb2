"""Dialogs in the hands of an application: the example of the documentation."""

from __future__ import annotations

import pytest

from sipws import Configuration, UserAgent
from sipws.testing import MemoryConnection, MemoryNetwork, acceptRegister
from tests.dialog.notifier import Notifier

SUBSCRIBE = (
    "SUBSCRIBE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK{cseq}\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>{tag}\r\nCall-ID: call@a\r\n"
    "CSeq: {cseq} SUBSCRIBE\r\nContact: <sip:{user}@a.invalid;transport=ws>\r\nEvent: presence\r\n"
    "Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\nContent-Length: 0\r\n\r\n"
)


@pytest.fixture
def network() -> MemoryNetwork:
    network = MemoryNetwork()
    network.answer("REGISTER", acceptRegister)
    return network


@pytest.fixture
def notifier(network: MemoryNetwork) -> Notifier:
    configuration = Configuration(uri="sip:bob@example.com", wsServers="ws://example.com", password="secret")
    userAgent = UserAgent(configuration, network.reactor)
    userAgent.start()
    network.advance(0)
    return Notifier(userAgent, "<sip:bob@b.invalid;transport=ws>")


def subscribe(
    network: MemoryNetwork, cseq: int, tag: str = "", user: str = "alice"
) -> tuple[int, str | None]:
    connection: MemoryConnection = network.connection
    connection.send(SUBSCRIBE.format(cseq=cseq, tag=tag and f";tag={tag}", user=user))
    network.advance(0)
    response = connection.takeResponse()
    return response.statusCode, response.toTag


def test_a_subscription_in_a_dialog(network: MemoryNetwork, notifier: Notifier) -> None:
    status, tag = subscribe(network, 5)
    (dialog,) = notifier.dialogs
    assert (status, tag) == (200, dialog.id.localTag)

    notifier.notify(dialog, "active;expires=600", "open")
    network.advance(0)
    notify = network.connection.takeRequest("NOTIFY")
    assert (notify.toTag, notify.fromTag, notify.callID, notify.cseq) == ("a", tag, "call@a", 1)
    assert notify.requestURIText == "sip:alice@a.invalid;transport=ws"
    assert notify.getHeaders("Route") == ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
    assert (notify.getHeaders("Contact"), notify.body) == ([notifier.contact], b"open")

    # A refresh from another address; one out of order; one of a dialog that is not there.
    assert subscribe(network, 7, tag or "", user="moved")[0] == 200
    assert subscribe(network, 6, tag or "")[0] == 500
    assert subscribe(network, 8, "unknown")[0] == 481
    assert str(dialog.state.remoteTarget) == "sip:moved@a.invalid;transport=ws"

    # Challenged, the first NOTIFY leaves again with the next number, and the dialog goes on from there.
    challenge = [("WWW-Authenticate", 'Digest realm="a", nonce="n", qop="auth"')]
    network.connection.respond(notify, 401, headers=challenge)
    network.advance(0)
    again = network.connection.takeRequest("NOTIFY")
    network.connection.respond(again, 200)
    network.advance(0)
    assert again.cseq == dialog.state.localCSeq == 2

    notifier.notify(dialog, "terminated;reason=noresource", "")
    network.advance(0)
    last = network.connection.takeRequest("NOTIFY")
    assert (last.cseq, last.requestURIText) == (3, "sip:moved@a.invalid;transport=ws")
    network.connection.respond(last, 481)
    network.advance(0)
    assert len(notifier.dialogs) == 0


def test_what_cannot_be_served_is_refused(network: MemoryNetwork, notifier: Notifier) -> None:
    assert subscribe(network, 1, user="%")[0] == 400
    notifier.dialogs.limit = 0
    assert subscribe(network, 2)[0] == 503
    assert len(notifier.dialogs) == 0
