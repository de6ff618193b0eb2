"""Server transactions: RFC 3261 section 17.2, RFC 6026, RFC 4320."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from sipws.errors import Congested, LimitExceeded, NotConnected, TransportError
from sipws.message import IncomingRequest, OutgoingResponse
from sipws.transaction import (
    DEFAULT_TIMERS,
    InviteServerTransaction,
    NonInviteServerTransaction,
    Timers,
    Transactions,
)
from tests.conftest import FlushLoggedErrors
from tests.transaction.fakes import FakeTransport, incoming


class Running:
    """
    A server transaction under way.

    @ivar acks: The ACKs that its user was given.
    @ivar timeouts: How often its user was told that no ACK came.
    @ivar errors: What its user was told of the transport.
    """

    def __init__(self, method: str = "MESSAGE", timers: Timers = DEFAULT_TIMERS, **kwargs: Any) -> None:
        self.clock = Clock()
        self.transport = FakeTransport()
        self.transactions = Transactions(self.clock, timers)
        self.request = incoming(method, **kwargs)
        self.acks: list[IncomingRequest] = []
        self.timeouts = 0
        self.errors: list[Exception] = []
        if method == "INVITE":
            self.transaction: Any = InviteServerTransaction(
                self.request,
                self.transport,
                self.transactions,
                self.errors.append,
                onAck=self.acks.append,
                onTimeout=self.timedOut,
            )
        else:
            self.transaction = NonInviteServerTransaction(
                self.request, self.transport, self.transactions, self.errors.append
            )

    def timedOut(self) -> None:
        self.timeouts += 1

    def respond(self, statusCode: int) -> bool:
        response = OutgoingResponse(self.request, statusCode, toTag="to1")
        return self.transaction.respond(response)  # type: ignore[no-any-return]

    def again(self) -> None:
        """Have the request come in again, to whom the tables say."""
        transaction = self.transactions.matchRequest(self.request)
        assert transaction is self.transaction
        transaction.receiveRequest(self.request)

    def ack(self) -> None:
        """Have an ACK with the INVITE's branch come in, likewise."""
        ack = incoming("ACK", branch=self.request.viaBranch, toTag="to1")
        transaction = self.transactions.matchRequest(ack)
        if transaction is not None:
            transaction.receiveRequest(ack)

    def isOver(self) -> bool:
        return len(self.transactions) == 0 and self.clock.getDelayedCalls() == []


class TestAnyRequest:
    """What INVITE and other requests have in common."""

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_itIsFoundByItsBranch(self, method: str) -> None:
        run = Running(method)
        table = run.transactions.ist if method == "INVITE" else run.transactions.nist
        assert table == {run.request.viaBranch: run.transaction}
        assert run.transactions.matchRequest(run.request) is run.transaction

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_aResponseThatCannotBeSentIsSaidToBe(self, method: str) -> None:
        run = Running(method, timers=Timers(J=32))
        run.transport.connected = False
        assert run.respond(404) is False
        (error,) = run.errors
        assert isinstance(error, NotConnected)
        assert (error.request, error.sent) == (run.transaction.lastResponse, False)

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    @pytest.mark.parametrize("congested", [False, True])
    def test_theUserIsToldOfAFinalResponseThatIsNotTakenWhereTimerJIsZeroToo(
        self, method: str, congested: bool
    ) -> None:
        run = Running(method)
        run.transport.connected, run.transport.congested = congested, congested
        assert run.respond(404) is False
        (error,) = run.errors
        assert type(error) is (Congested if congested else NotConnected)
        assert (error.request, error.sent) == (run.transaction.lastResponse, False)
        assert run.isOver() or method == "INVITE"

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_aProvisionalResponseThatIsNotTakenIsNoReasonToGiveUp(self, method: str) -> None:
        run = Running(method)
        run.transport.congested = True
        assert run.respond(100) is False
        run.clock.advance(10)
        run.transport.congested = False
        assert run.respond(200) is True
        assert run.errors == []

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_theTableIsToldWhereThereIsNobodyElse(self, method: str) -> None:
        run = Running(method)
        told: list[object] = []
        run.transactions.onServerLost = lambda *arguments: told.append(arguments)
        kind = InviteServerTransaction if method == "INVITE" else NonInviteServerTransaction
        other = kind(incoming(method, callID="other"), run.transport, run.transactions)
        lost = TransportError("gone")
        run.transactions.transportLost(run.transport, lost)
        run.transport.connected = False
        other.respond(OutgoingResponse(other.request, 200, toTag="to1"))
        assert told == [(other, lost)]
        assert run.errors == [lost]

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_theUserIsToldOnceThatTheTransportIsGone(self, method: str) -> None:
        run = Running(method)
        lost = TransportError("gone")
        run.transactions.transportLost(run.transport, lost)
        run.transport.connected = False
        assert run.respond(404) is False
        assert run.errors == [lost]

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_aCallbackThatRaisesIsLoggedAndBreaksNothing(
        self, method: str, flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        run = Running(method)

        def broken(error: object) -> None:
            raise ZeroDivisionError("the user's")

        run.transaction._onTransportLost = broken
        run.transactions.transportLost(run.transport, TransportError("gone"))
        assert len(flushLoggedErrors(ZeroDivisionError)) == 1

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_oneTooManyIsRefused(self, method: str) -> None:
        run = Running(method)
        run.transactions.limit = 1
        kind = InviteServerTransaction if method == "INVITE" else NonInviteServerTransaction
        with pytest.raises(LimitExceeded, match="maxTransactions=1"):
            kind(incoming(method), run.transport, run.transactions)
        assert list(run.transactions) == [run.transaction]

    @pytest.mark.parametrize("method", ["BYE", "CANCEL"])
    def test_whatEndsSomethingHasAsMuchRoomAgain(self, method: str) -> None:
        run = Running("INVITE")
        run.transactions.limit = 1
        NonInviteServerTransaction(incoming(method), run.transport, run.transactions)
        with pytest.raises(LimitExceeded, match="maxTransactions=1"):
            NonInviteServerTransaction(incoming(method), run.transport, run.transactions)


class TestNonInvite:
    """RFC 3261 section 17.2.2."""

    def test_itEndsWithItsFinalResponseAsTimerJIsZero(self) -> None:
        run = Running()
        assert run.respond(200) is True
        assert run.transport.summary() == ["200"]
        assert run.isOver()

    def test_aSecondFinalResponseIsDiscarded(self) -> None:
        for timers in (Timers(), Timers(J=32)):
            run = Running(timers=timers)
            assert run.respond(200) is True
            assert run.respond(500) is False
            assert run.transport.summary() == ["200"]

    def test_aRetransmissionIsDiscardedBeforeAnyResponse(self) -> None:
        run = Running()
        run.again()
        assert run.transport.summary() == []

    def test_aRetransmissionGetsTheLastResponseAgain(self) -> None:
        run = Running(timers=Timers(J=32))
        run.respond(100)
        run.again()
        run.respond(200)
        run.again()
        assert run.transport.summary() == ["100", "100", "200", "200"]
        run.clock.advance(32)
        assert run.isOver()

    def test_aLostTransportEndsIt(self) -> None:
        run = Running()
        run.transactions.transportLost(run.transport, TransportError("gone"))
        assert run.isOver()
        assert run.respond(200) is False
        assert run.transport.summary() == []

    def test_noProvisionalResponseBut100(self) -> None:
        # RFC 4320 section 4.1.
        run = Running()
        for statusCode in (180, 183, 199):
            assert run.respond(statusCode) is False
        assert run.respond(100) is True
        assert run.transport.summary() == ["100"]

    def test_a100IsSentAfterThreeAndAHalfSeconds(self) -> None:
        # RFC 4320 section 4.1.
        run = Running()
        run.clock.advance(3.49)
        assert run.transport.summary() == []
        run.clock.advance(0.01)
        (trying,) = run.transport.sent
        assert trying.statusCode == 100
        assert trying.toTag is None
        assert run.transaction.state == "Proceeding"
        assert run.respond(200) is True
        assert run.isOver()

    def test_no408IsSentAndItEnds(self) -> None:
        # RFC 4320 section 4.2.
        run = Running()
        assert run.respond(408) is False
        assert run.transport.summary() == []
        assert run.isOver()

    def test_oneThatIsNeverAnsweredIsGivenUp(self) -> None:
        run = Running()
        run.clock.advance(3.5)
        run.clock.advance(31.9)
        assert len(run.transactions) == 1
        run.clock.advance(0.2)
        assert run.isOver()
        assert run.respond(200) is False
        assert run.transport.summary() == ["100"]


class TestInvite:
    """RFC 3261 section 17.2.1, RFC 6026 sections 7.1 and 8.5 to 8.8."""

    def test_a100IsSentAfter200Milliseconds(self) -> None:
        run = Running("INVITE")
        run.clock.advance(0.19)
        assert run.transport.summary() == []
        run.clock.advance(0.01)
        (trying,) = run.transport.sent
        assert trying.statusCode == 100
        assert trying.getHeader("To") == "<sip:alice@example.test>"

    @pytest.mark.parametrize("statusCode", [100, 180, 200, 486])
    def test_no100IsSentWhereTheUserHasAnswered(self, statusCode: int) -> None:
        run = Running("INVITE")
        run.respond(statusCode)
        run.clock.advance(1)
        assert run.transport.summary() == [str(statusCode)]

    def test_aRetransmissionGetsTheLastProvisionalResponseAgain(self) -> None:
        run = Running("INVITE")
        run.again()
        assert run.transport.summary() == []
        run.respond(180)
        run.respond(183)
        run.again()
        assert run.transport.summary() == ["180", "183", "183"]

    def test_a2xxIsRepeatedByTheUserAlone(self) -> None:
        run = Running("INVITE")
        run.respond(200)
        run.again()
        run.clock.advance(16)
        assert run.transport.summary() == ["200"]
        assert run.respond(200) is True
        assert run.transport.summary() == ["200"]

    def test_anAcceptedOneIsRememberedFor32Seconds(self) -> None:
        run = Running("INVITE")
        run.respond(200)
        run.clock.advance(31.9)
        run.again()
        assert run.transport.summary() == ["200"]
        run.clock.advance(0.2)
        assert run.isOver()
        assert run.timeouts == 0

    def test_anAckWithTheBranchOfAnAcceptedInviteGoesToTheUser(self) -> None:
        run = Running("INVITE")
        run.respond(200)
        run.ack()
        run.ack()
        assert [ack.method for ack in run.acks] == ["ACK", "ACK"]

    def test_after2xxNothingElseIsSent(self) -> None:
        run = Running("INVITE")
        run.respond(200)
        assert run.respond(180) is False
        assert run.respond(486) is False
        assert run.transport.summary() == ["200"]

    def test_anAckEndsARefusedOneAsTimerIIsZero(self) -> None:
        run = Running("INVITE")
        run.respond(486)
        assert run.transaction.state == "Completed"
        run.ack()
        assert run.isOver()
        assert run.acks == []
        assert run.timeouts == 0

    def test_withATimerIFurtherAcksAreAbsorbed(self) -> None:
        run = Running("INVITE", timers=Timers(I=5))
        run.respond(486)
        run.ack()
        run.ack()
        assert run.transaction.state == "Confirmed"
        assert run.acks == []
        run.clock.advance(5)
        assert run.isOver()

    def test_aRefusalIsRepeatedForARetransmission(self) -> None:
        run = Running("INVITE")
        run.respond(486)
        run.again()
        assert run.transport.summary() == ["486", "486"]

    def test_withoutAnAckTheUserIsToldAfter32Seconds(self) -> None:
        run = Running("INVITE")
        run.respond(486)
        run.clock.advance(31.9)
        assert run.timeouts == 0
        run.clock.advance(0.2)
        assert run.timeouts == 1
        assert run.isOver()

    @pytest.mark.parametrize(
        ("statusCode", "state"), [(180, "Proceeding"), (200, "Accepted"), (486, "Completed")]
    )
    def test_aLostTransportTellsTheUserAndChangesNoState(self, statusCode: int, state: str) -> None:
        # RFC 6026 section 7.1.
        run = Running("INVITE")
        run.respond(statusCode)
        run.transactions.transportLost(run.transport, TransportError("gone"))
        assert len(run.errors) == 1
        assert run.transaction.state == state
        assert run.transactions.matchRequest(run.request) is run.transaction

    def test_afterALossNo100IsSent(self) -> None:
        run = Running("INVITE")
        run.transactions.transportLost(run.transport, TransportError("gone"))
        run.clock.advance(1)
        assert run.transport.summary() == []

    def test_whatIsAnsweredAfterALossEndsByItsTimers(self) -> None:
        for statusCode in (200, 486):
            run = Running("INVITE")
            run.transport.connected = False
            assert run.respond(statusCode) is False
            run.clock.advance(32)
            assert run.isOver()

    @pytest.mark.parametrize("callback", ["_onAck", "_onTimeout"])
    def test_itsCallbacksMayRaise(self, callback: str, flushLoggedErrors: FlushLoggedErrors) -> None:
        run = Running("INVITE")

        def broken(*_: object) -> None:
            raise ZeroDivisionError("the user's")

        setattr(run.transaction, callback, broken)
        run.respond(200 if callback == "_onAck" else 486)
        if callback == "_onAck":
            run.ack()
        run.clock.advance(32)
        assert len(flushLoggedErrors(ZeroDivisionError)) == 1
        assert run.isOver()

    def test_itNeedsNoCallbacks(self) -> None:
        clock, transport = Clock(), FakeTransport()
        transactions = Transactions(clock)
        for statusCode in (200, 486):
            request = incoming("INVITE")
            transaction = InviteServerTransaction(request, transport, transactions)
            transaction.respond(OutgoingResponse(request, statusCode, toTag="to1"))
            transaction.transportLost(TransportError("gone"))
            if statusCode == 200:
                transaction.receiveRequest(incoming("ACK", branch=request.viaBranch))
        clock.advance(32)
        assert len(transactions) == 0
