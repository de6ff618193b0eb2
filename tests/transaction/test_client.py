"""Client transactions: RFC 3261 sections 17.1 and 9.1, RFC 6026."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from sipws.errors import (
    CertificateRefused,
    Congested,
    HandshakeRefused,
    LimitExceeded,
    NoServers,
    NotConnected,
    PeerSilent,
    TransactionCancelled,
    TransactionTimeout,
    TransportError,
)
from sipws.interfaces import IClientTransaction
from sipws.message import IncomingResponse, parseMessage
from sipws.transaction import (
    DEFAULT_TIMERS,
    InviteClientTransaction,
    NonInviteClientTransaction,
    Timers,
    Transactions,
)
from tests.conftest import FlushLoggedErrors
from tests.transaction.fakes import FakeTransport, outgoing, responseTo


class Running:
    """
    A client transaction under way.

    @ivar results: What its Deferred came to: a response, or an error.
    @ivar provisional: The provisional responses that its user was given.
    @ivar accepted: The 2xx that C{onAccepted} was given.
    """

    def __init__(self, method: str = "MESSAGE", timers: Timers = DEFAULT_TIMERS, **kwargs: Any) -> None:
        self.clock = Clock()
        self.transport = FakeTransport()
        self.transactions = Transactions(self.clock, timers)
        self.request = outgoing(method, **kwargs)
        self.results: list[Any] = []
        self.provisional: list[IncomingResponse] = []
        self.accepted: list[IncomingResponse] = []
        if method == "INVITE":
            self.transaction: Any = InviteClientTransaction(
                self.request,
                self.transport,
                self.transactions,
                self.provisional.append,
                onAccepted=self.accepted.append,
            )
        else:
            self.transaction = NonInviteClientTransaction(
                self.request, self.transport, self.transactions, self.provisional.append
            )

    def start(self) -> Deferred[IncomingResponse]:
        deferred = self.transaction.start()
        deferred.addCallbacks(self.results.append, lambda failure: self.results.append(failure.value))
        return deferred  # type: ignore[no-any-return]

    def receive(self, statusCode: int, **kwargs: Any) -> IncomingResponse:
        """Have a response come in the way of a transport: to whom the tables say."""
        response = responseTo(self.request, statusCode, **kwargs)
        table = self.transactions.ict if response.method == "INVITE" else self.transactions.nict
        transaction = table.get(response.viaBranch or "")
        if transaction is not None:
            transaction.receiveResponse(response)
        return response

    def isOver(self) -> bool:
        """Say whether nothing of it is left."""
        return len(self.transactions) == 0 and self.clock.getDelayedCalls() == []


def started(method: str = "MESSAGE", **kwargs: Any) -> Running:
    run = Running(method, **kwargs)
    run.start()
    return run


class TestAnyRequest:
    """What INVITE and other requests have in common."""

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_theRequestIsSentAndFoundByItsBranch(self, method: str) -> None:
        run = started(method)
        assert run.transport.sent == [run.request]
        table = run.transactions.ict if method == "INVITE" else run.transactions.nict
        assert table == {run.request.viaBranch: run.transaction}
        verifyObject(IClientTransaction, run.transaction)

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    @pytest.mark.parametrize("statusCode", [300, 404, 500, 603])
    def test_aFinalResponseOfAnyClassIsTheResult(self, method: str, statusCode: int) -> None:
        run = started(method)
        response = run.receive(statusCode)
        assert run.results == [response]
        assert run.isOver()

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_provisionalResponsesGoToTheCallback(self, method: str) -> None:
        run = started(method)
        responses = [run.receive(100), run.receive(183)]
        assert run.provisional == responses
        assert run.results == []

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_itTimesOutAfter32SecondsWithoutAnyResponse(self, method: str) -> None:
        run = started(method)
        run.clock.advance(31.99)
        assert run.results == []
        run.clock.advance(0.01)
        (error,) = run.results
        assert isinstance(error, TransactionTimeout)
        assert error.sent is True
        assert error.request is run.request
        assert f"no final response to {method} within 32 seconds" in str(error)
        assert run.isOver()
        # No ACK: "The client transaction MUST NOT generate an ACK."
        assert run.transport.summary() == [method]

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_oneThatCannotBeSentFailsAtOnce(self, method: str) -> None:
        run = Running(method)
        run.transport.connected = False
        run.start()
        (error,) = run.results
        assert isinstance(error, NotConnected)
        assert (error.request, error.sent) == (run.request, False)
        assert run.isOver()

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_oneThatAConnectionDoesNotTakeFailsAtOnceToo(self, method: str) -> None:
        run = Running(method)
        run.transport.congested = True
        run.start()
        (error,) = run.results
        assert type(error) is Congested
        assert (error.request, error.sent) == (run.request, False)
        assert run.isOver()

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    @pytest.mark.parametrize("provisional", [False, True])
    def test_theLossOfItsTransportFailsIt(self, method: str, provisional: bool) -> None:
        run = started(method)
        if provisional:
            run.receive(180)
        lost = TransportError("the connection was lost", code=1006)
        lost.__cause__ = OSError("reset")
        run.transactions.transportLost(run.transport, lost)
        (error,) = run.results
        assert type(error) is TransportError
        assert error.request is run.request
        assert (error.reason, error.code, str(error)) == (lost.reason, lost.code, str(lost))
        assert error.__cause__ is lost
        assert error.sent is True
        assert (lost.request, lost.sent) == (None, None)
        assert run.isOver()

    @pytest.mark.parametrize(
        "lost",
        [
            NotConnected("no WebSocket"),
            PeerSilent("no sign of life", code=1006),
            NoServers("no records", domain="example.org"),
            HandshakeRefused("no subprotocol", status=401),
            CertificateRefused("expired"),
            TransactionCancelled("stopped"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_eachFailsWithAnErrorOfItsOwn(self, lost: Any) -> None:
        runs = started(), started("INVITE")
        for run in runs:
            run.transactions.transportLost(run.transport, lost)
        for run in runs:
            (error,) = run.results
            assert type(error) is type(lost)
            assert (error.request, error.sent) == (run.request, True)
            assert (str(error), error.reason) == (str(lost), lost.reason)
            assert vars(error).keys() == vars(lost).keys()
            assert getattr(error, "status", None) == getattr(lost, "status", None)
        assert lost.request is None

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_aLateResponseIsAbsorbed(self, method: str) -> None:
        run = started(method)
        run.clock.advance(32)
        run.results.clear()
        for statusCode in (100, 200, 404):
            run.transaction.receiveResponse(responseTo(run.request, statusCode))
        assert run.results == run.provisional == run.accepted == []
        assert run.transport.summary() == [method]

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_aResponseToAnotherMethodIsNotItsOwn(self, method: str) -> None:
        # RFC 3261 section 17.1.3: "the method parameter in the CSeq header field matches".
        run = started(method)
        run.transaction.receiveResponse(responseTo(run.request, 200, method="CANCEL"))
        assert run.results == []
        assert len(run.transactions) == 1

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_aCallbackThatRaisesIsLoggedAndBreaksNothing(
        self, method: str, flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        run = Running(method)
        run.provisional = None  # type: ignore[assignment]

        def broken(response: IncomingResponse) -> None:
            raise ZeroDivisionError("the user's")

        run.transaction._onProvisional = broken
        run.start()
        run.receive(180)
        assert len(flushLoggedErrors(ZeroDivisionError)) == 1
        response = run.receive(404)
        assert run.results == [response]
        assert run.isOver()

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_aTransportThatRaisesMayHaveSentIt(
        self, method: str, flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        run = Running(method)

        def broken(msg: object) -> bool:
            raise ZeroDivisionError("the transport's")

        run.transport.send = broken  # type: ignore[method-assign]
        run.start()
        assert len(flushLoggedErrors(ZeroDivisionError)) == 1
        (error,) = run.results
        assert type(error) is TransportError
        assert (error.request, error.sent) == (run.request, True)
        assert isinstance(error.__cause__, ZeroDivisionError)
        assert run.isOver()

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_aResponseThatComesWhileSendingIsTheResult(self, method: str) -> None:
        run = Running(method)
        send = run.transport.send

        def answering(msg: Any) -> bool:
            sent = send(msg)
            if msg.method != "ACK":
                run.receive(404)
            return sent

        run.transport.send = answering  # type: ignore[method-assign]
        run.start()
        (response,) = run.results
        assert response.statusCode == 404
        assert run.isOver()

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_theTransactionIsGoneWhenItsUserIsTold(self, method: str) -> None:
        run = Running(method)
        seen = []
        run.transaction.start().addCallback(lambda _: seen.append(run.isOver()))
        run.receive(486)
        assert seen == [True]

    def test_aBranchMustBeNewAndThere(self) -> None:
        run = started()
        again = outgoing("MESSAGE", branch=run.request.viaBranch)
        with pytest.raises(ValueError, match="branch of its own"):
            NonInviteClientTransaction(again, run.transport, run.transactions).start()
        again.removeHeader("Via")
        with pytest.raises(ValueError, match="branch of its own"):
            NonInviteClientTransaction(again, run.transport, run.transactions).start()
        assert list(run.transactions) == [run.transaction]

    def test_oneTooManyFails(self) -> None:
        clock, transport = Clock(), FakeTransport()
        transactions = Transactions(clock, limit=2)
        InviteClientTransaction(outgoing("INVITE"), transport, transactions).start()
        NonInviteClientTransaction(outgoing("OPTIONS"), transport, transactions).start()
        failures: list[Any] = []
        request = outgoing("MESSAGE")
        NonInviteClientTransaction(request, transport, transactions).start().addErrback(failures.append)
        (failure,) = failures
        assert failure.check(LimitExceeded) is not None
        assert (failure.value.option, failure.value.limit) == ("maxTransactions", 2)
        assert transport.summary() == ["INVITE", "OPTIONS"]

    def test_whatEndsSomethingIsNeverTooMuch(self) -> None:
        clock, transport = Clock(), FakeTransport()
        transactions = Transactions(clock, limit=1)
        NonInviteClientTransaction(outgoing("OPTIONS"), transport, transactions).start()
        NonInviteClientTransaction(outgoing("BYE"), transport, transactions).start()
        assert transport.summary() == ["OPTIONS", "BYE"]

    def test_invitesThatWereAcceptedDoNotCount(self) -> None:
        # They stay for 64*T1 (RFC 6026): with 10,000 of them, 312 calls a second would be all.
        run = started("INVITE")
        run.transactions.limit = 1
        run.receive(200)
        run.receive(200)
        assert (len(run.transactions), run.transactions.answered) == (1, 1)
        second = InviteClientTransaction(outgoing("INVITE"), run.transport, run.transactions)
        second.start().addErrback(lambda _: None)
        assert len(run.transactions) == 2
        run.clock.advance(64 * run.transactions.timers.T1)
        assert (len(run.transactions), run.transactions.answered) == (0, 0)

    def test_itsReprSaysWhichAndWhere(self) -> None:
        run = started("OPTIONS")
        assert repr(run.transaction) == (
            f"<NonInviteClientTransaction OPTIONS {run.request.viaBranch} Trying>"
        )


class TestNonInvite:
    """RFC 3261 section 17.1.2."""

    def test_a2xxIsTheResult(self) -> None:
        run = started()
        response = run.receive(202)
        assert run.results == [response]
        assert run.isOver()

    def test_timerFRunsOnAfterAProvisionalResponse(self) -> None:
        run = started()
        run.clock.advance(20)
        run.receive(100)
        run.clock.advance(12)
        (error,) = run.results
        assert isinstance(error, TransactionTimeout)
        assert error.sent is True

    def test_itEndsWithItsResponseAsTimerKIsZero(self) -> None:
        run = started()
        run.receive(200)
        assert run.transaction.state == "Terminated"
        assert run.isOver()

    def test_withATimerKItAbsorbsRepeatedResponses(self) -> None:
        run = started(timers=Timers(K=5))
        response = run.receive(200)
        run.receive(200)
        run.receive(500)
        assert run.results == [response]
        assert run.transaction.state == "Completed"
        run.clock.advance(5)
        assert run.isOver()

    def test_anAnsweredRequestDoesNotFailWithItsTransport(self) -> None:
        run = started(timers=Timers(K=5))
        response = run.receive(200)
        run.transactions.transportLost(run.transport, TransportError("gone"))
        assert run.results == [response]

    @pytest.mark.parametrize("provisional", [False, True])
    def test_cancellingItsDeferredEndsItWithoutACancel(self, provisional: bool) -> None:
        run = Running()
        deferred = run.start()
        if provisional:
            run.receive(100)
        deferred.cancel()
        (error,) = run.results
        assert isinstance(error, TransactionCancelled)
        assert error.sent is True
        assert error.request is run.request
        assert run.transport.summary() == ["MESSAGE"]
        assert run.isOver()
        run.receive(200)
        assert len(run.results) == 1


class TestInvite:
    """RFC 3261 section 17.1.1, RFC 6026 section 8.4."""

    def test_timerBEndsWithTheFirstProvisionalResponse(self) -> None:
        run = started("INVITE")
        run.clock.advance(31)
        run.receive(180)
        run.clock.advance(3600)
        assert run.results == []
        assert run.transaction.state == "Proceeding"
        response = run.receive(486)
        assert run.results == [response]

    def test_a2xxIsTheResultAndIsNotAcknowledged(self) -> None:
        # "The client transaction MUST NOT generate an ACK to the 2xx response -- its handling
        # is delegated to the TU."
        run = started("INVITE")
        response = run.receive(200)
        assert run.results == [response]
        assert run.accepted == []
        assert run.transport.summary() == ["INVITE"]
        assert run.transaction.state == "Accepted"

    def test_further2xxGoToTheUserFor32Seconds(self) -> None:
        run = started("INVITE")
        first = run.receive(200, toTag="one")
        run.clock.advance(31)
        again, other = run.receive(200, toTag="one"), run.receive(200, toTag="two")
        assert run.results == [first]
        assert run.accepted == [again, other]
        run.clock.advance(1)
        assert run.isOver()
        run.receive(200, toTag="one")
        assert len(run.accepted) == 2

    def test_afterA2xxOtherResponsesAreAbsorbed(self) -> None:
        run = started("INVITE")
        run.receive(200)
        run.receive(180)
        run.receive(486)
        assert len(run.results) == 1
        assert run.provisional == run.accepted == []
        assert run.transport.summary() == ["INVITE"]

    def test_anAcceptedInviteDoesNotFailWithItsTransport(self) -> None:
        run = started("INVITE")
        response = run.receive(200)
        run.transactions.transportLost(run.transport, TransportError("gone"))
        assert run.results == [response]
        assert run.transaction.state == "Accepted"
        run.clock.advance(32)
        assert run.isOver()

    def test_aFinalResponseIsAcknowledged(self) -> None:
        # Section 17.1.1.3.
        run = started(
            "INVITE", headers=[("Route", "<sip:one;lr>, <sip:two;lr>"), ("Route", "<sip:three;lr>")]
        )
        run.request.addHeader("Via", "SIP/2.0/TCP before.example;branch=z9hG4bKbefore")
        run.request.addHeader("Proxy-Authorization", 'Digest username="alice", response="0"')
        run.request.addHeader("Require", "100rel")
        run.receive(486, toTag="theirs")
        invite, ack = run.transport.sent
        assert invite is run.request
        assert ack.method == "ACK"
        assert str(ack.requestURI) == "sip:bob@example.test"
        assert ack.getHeaders("Via") == [f"SIP/2.0/WS ours.invalid;branch={run.request.viaBranch}"]
        assert ack.getHeaders("Route") == ["<sip:one;lr>", "<sip:two;lr>", "<sip:three;lr>"]
        assert ack.getHeader("From") == '"Alice" <sip:alice@example.test>;tag=from1'
        assert ack.getHeader("To") == "<sip:bob@example.test>;tag=theirs"
        assert ack.getHeader("Call-ID") == run.request.callID
        assert ack.getHeader("CSeq") == "7 ACK"
        assert ack.getHeader("Max-Forwards") == "70"
        # Section 22.1 wants the credentials in it; section 8.2.2.3 no Require.
        assert ack.hasHeader("Proxy-Authorization")
        assert not ack.hasHeader("Require")
        assert ack.body == b""

    def test_anAckForATransportThatIsGoneLeavesTheResponseTheResult(self) -> None:
        for timers in (Timers(), Timers(D=32)):
            run = started("INVITE", timers=timers)
            run.transport.connected = False
            response = run.receive(486)
            assert run.results == [response]
            assert run.isOver()

    @pytest.mark.parametrize(
        ("to", "acknowledged"),
        [
            ('"Bob \\\0" <sip:bob@example.test>;tag=theirs', "<sip:bob@example.test>;tag=theirs"),
            ('"Bob \\\1 \u00e4" <sip:bob@example.test>;tag=theirs', None),
            ("sip:bob@example.test;tag=theirs", None),
            ("<sip:%00%ff@example.test;x=y>;tag=theirs;more", None),
        ],
    )
    def test_theToOfTheAckIsThatOfTheResponseHoweverStrange(self, to: str, acknowledged: str | None) -> None:
        run = started("INVITE")
        octets = str(responseTo(run.request, 486)).replace("<sip:bob@example.test>;tag=to1", to)
        run.transaction.receiveResponse(parseMessage(octets))
        assert run.results[0].statusCode == 486
        ack = run.transport.sent[-1]
        assert ack.method == "ACK"
        assert ack.getHeader("To") == (acknowledged or to)

    def test_aToThatCannotBeSentBackIsNotAcknowledged(self) -> None:
        run = started("INVITE")
        octets = str(responseTo(run.request, 486)).replace(";tag=to1", ';tag=to1;x="\\\0"')
        run.transaction.receiveResponse(parseMessage(octets))
        assert run.results[0].statusCode == 486
        assert run.transport.summary() == ["INVITE"]

    def test_withATimerDRepeatedResponsesAreAcknowledgedAgain(self) -> None:
        run = started("INVITE", timers=Timers(D=32))
        response = run.receive(486)
        run.receive(486)
        run.receive(486)
        assert run.transport.summary() == ["INVITE", "ACK", "ACK", "ACK"]
        assert run.results == [response]
        run.clock.advance(32)
        assert run.isOver()


class TestCancel:
    """RFC 3261 section 9.1."""

    def test_itIsBuiltFromTheRequestThatItCancels(self) -> None:
        run = started("INVITE", headers=[("Route", "<sip:one;lr>")])
        run.request.addHeader("Via", "SIP/2.0/TCP before.example;branch=z9hG4bKbefore")
        run.request.addHeader("Require", "100rel")
        run.request.addHeader("Proxy-Require", "sec-agree")
        run.receive(180)
        run.transaction.cancel()
        cancel = run.transport.sent[-1]
        assert cancel.method == "CANCEL"
        assert str(cancel.requestURI) == str(run.request.requestURI)
        for name in ("From", "To", "Call-ID", "Route", "Max-Forwards"):
            assert cancel.getHeaders(name) == run.request.getHeaders(name)
        assert cancel.getHeaders("Via") == run.request.getHeaders("Via")[:1]
        assert cancel.getHeader("CSeq") == "7 CANCEL"
        assert not cancel.hasHeader("Require")
        assert not cancel.hasHeader("Proxy-Require")

    def test_itIsNotSentBeforeAProvisionalResponse(self) -> None:
        run = Running("INVITE")
        deferred = run.start()
        deferred.cancel()
        assert run.transport.summary() == ["INVITE"]
        run.receive(100)
        assert run.transport.summary() == ["CANCEL"]
        run.receive(180)
        assert run.transport.summary() == []

    def test_itIsNotSentAfterAFinalResponse(self) -> None:
        run = started("INVITE")
        run.receive(200)
        run.transaction.cancel()
        assert run.transport.summary() == ["INVITE"]

    def test_itIsSentOnce(self) -> None:
        run = started("INVITE")
        run.receive(180)
        run.transaction.cancel()
        run.transaction.cancel()
        assert run.transport.summary() == ["INVITE", "CANCEL"]

    def test_aCancelledDeferredFailsAtOnceAndTheInviteComesToItsEnd(self) -> None:
        run = Running("INVITE")
        deferred = run.start()
        run.receive(180)
        deferred.cancel()
        (error,) = run.results
        assert isinstance(error, TransactionCancelled)
        assert error.sent is True
        assert error.request is run.request
        run.receive(200, method="CANCEL")
        run.receive(487)
        assert run.transport.summary() == ["INVITE", "CANCEL", "ACK"]
        assert len(run.results) == 1
        assert run.isOver()

    def test_aCancelledDeferredHearsOfNoProvisionalResponses(self) -> None:
        run = Running("INVITE")
        run.start().cancel()
        run.receive(180)
        assert run.provisional == []

    def test_a2xxThatCrossesItGoesToTheUser(self) -> None:
        run = Running("INVITE")
        deferred = run.start()
        run.receive(180)
        deferred.cancel()
        response = run.receive(200)
        run.receive(481, method="CANCEL")
        assert run.accepted == [response]
        run.clock.advance(32)
        assert run.isOver()

    def test_whoCancelsTheTransactionStillGetsTheFinalResponse(self) -> None:
        run = started("INVITE")
        run.receive(180)
        run.transaction.cancel()
        run.receive(200, method="CANCEL")
        assert run.results == []
        response = run.receive(487)
        assert run.results == [response]
        assert run.isOver()

    def test_withoutAFinalResponseItEnds32SecondsAfterTheCancel(self) -> None:
        run = started("INVITE")
        run.receive(180)
        run.clock.advance(100)
        run.transaction.cancel()
        run.receive(200, method="CANCEL")
        run.clock.advance(31.9)
        assert run.results == []
        run.clock.advance(0.2)
        (error,) = run.results
        assert isinstance(error, TransactionTimeout)
        assert error.sent is True
        assert run.isOver()

    def test_itIsSentEvenWhereTooManyTransactionsAreOpen(self) -> None:
        run = started("INVITE")
        run.transactions.limit = 1
        run.receive(180)
        run.transaction.cancel()
        assert run.transport.summary() == ["INVITE", "CANCEL"]

    def test_aLostTransportEndsBoth(self) -> None:
        run = started("INVITE")
        run.receive(180)
        run.transaction.cancel()
        run.transactions.transportLost(run.transport, TransportError("gone"))
        (error,) = run.results
        assert isinstance(error, TransportError)
        assert run.isOver()

    def test_whatCannotBeSentChangesNothing(self) -> None:
        run = started("INVITE")
        run.receive(180)
        run.transport.connected = False
        run.transaction.cancel()
        assert run.transactions.nict == {}
        assert run.transaction.state == "Proceeding"
        assert run.results == []
