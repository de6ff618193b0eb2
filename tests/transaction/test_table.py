"""Which transaction a message belongs to, and the ends of all of them."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from sipws.errors import NotConnected, TransactionCancelled, TransportError
from sipws.interfaces import ITransactionTables
from sipws.message import IncomingRequest, OutgoingResponse
from sipws.transaction import (
    InviteClientTransaction,
    InviteServerTransaction,
    NonInviteClientTransaction,
    NonInviteServerTransaction,
    ServerTransaction,
    Transactions,
)
from tests.transaction.fakes import FakeTransport, incoming, newBranch, outgoing, responseTo


class World:
    """Transactions on one transport."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.transport = FakeTransport()
        self.transactions = Transactions(self.clock)

    def serve(self, request: IncomingRequest) -> ServerTransaction:
        """Make the transaction of a request."""
        kind = InviteServerTransaction if request.method == "INVITE" else NonInviteServerTransaction
        return kind(request, self.transport, self.transactions)

    def ask(self, method: str = "MESSAGE", transport: FakeTransport | None = None) -> Asked:
        return Asked(self, method, transport or self.transport)


class Asked:
    """A request of ours."""

    def __init__(self, world: World, method: str, transport: FakeTransport) -> None:
        self.request = outgoing(method)
        kind = InviteClientTransaction if method == "INVITE" else NonInviteClientTransaction
        self.transaction: Any = kind(self.request, transport, world.transactions)
        self.results: list[Any] = []
        self.deferred: Deferred[Any] = self.transaction.start()
        self.deferred.addCallbacks(self.results.append, lambda failure: self.results.append(failure.value))

    def receive(self, statusCode: int) -> None:
        self.transaction.receiveResponse(responseTo(self.request, statusCode))


@pytest.fixture
def world() -> World:
    return World()


def test_itIsWhatTransportsNeed(world: World) -> None:
    verifyObject(ITransactionTables, world.transactions)


class TestMatchRequest:
    """RFC 3261 section 17.2.3."""

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "CANCEL"])
    def test_aRetransmissionMatches(self, world: World, method: str) -> None:
        request = incoming(method)
        assert world.transactions.matchRequest(request) is None
        transaction = world.serve(request)
        again = incoming(method, branch=request.viaBranch)
        assert world.transactions.matchRequest(again) is transaction

    def test_theBranchMustBeEqual(self, world: World) -> None:
        world.serve(incoming("MESSAGE"))
        assert world.transactions.matchRequest(incoming("MESSAGE")) is None

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_theSentByMustBeEqual(self, world: World, method: str) -> None:
        # "there could be accidental or malicious duplication of branch parameters from
        # different clients."
        branch = newBranch()
        ours = [incoming(method, branch=branch, sentBy=host) for host in ("one.invalid", "two.invalid")]
        transactions = []
        for request in ours:
            assert world.transactions.matchRequest(request) is None
            transactions.append(world.serve(request))
        assert [world.transactions.matchRequest(request) for request in ours] == transactions
        third = incoming(method, branch=branch, sentBy="three.invalid")
        assert world.transactions.matchRequest(third) is None

    def test_theSecondOfABranchOutlivesTheFirst(self, world: World) -> None:
        branch = newBranch()
        one = incoming("MESSAGE", branch=branch, sentBy="one.invalid")
        two = incoming("MESSAGE", branch=branch, sentBy="two.invalid", callID="call2")
        first, second = world.serve(one), world.serve(two)
        first.respond(OutgoingResponse(one, 200, toTag="to1"))
        assert world.transactions.matchRequest(one) is None
        assert world.transactions.matchRequest(two) is second
        second.respond(OutgoingResponse(two, 200, toTag="to1"))
        assert len(world.transactions) == 0

    def test_theSentByIsComparedWithItsPortAndInAnyCase(self, world: World) -> None:
        branch = newBranch()
        transaction = world.serve(incoming("MESSAGE", branch=branch, sentBy="one.invalid:5060"))
        match = world.transactions.matchRequest
        assert match(incoming("MESSAGE", branch=branch, sentBy="ONE.invalid:5060")) is transaction
        assert match(incoming("MESSAGE", branch=branch, sentBy="one.invalid")) is None

    def test_theMethodMustBeEqual(self, world: World) -> None:
        branch = newBranch()
        options = world.serve(incoming("OPTIONS", branch=branch))
        message = incoming("MESSAGE", branch=branch, callID="call2")
        assert world.transactions.matchRequest(message) is None
        other = world.serve(message)
        assert world.transactions.matchRequest(message) is other
        assert world.transactions.matchRequest(incoming("OPTIONS", branch=branch)) is options

    def test_anAckMatchesItsInvite(self, world: World) -> None:
        invite = incoming("INVITE")
        transaction = world.serve(invite)
        ack = incoming("ACK", branch=invite.viaBranch, toTag="any")
        assert world.transactions.matchRequest(ack) is transaction

    def test_anAckWithABranchOfItsOwnMatchesNothing(self, world: World) -> None:
        # That of a 2xx is a transaction of its own: section 13.2.2.4.
        invite = incoming("INVITE")
        world.serve(invite).respond(OutgoingResponse(invite, 200, toTag="to1"))
        assert world.transactions.matchRequest(incoming("ACK", toTag="to1")) is None

    def test_aCancelMatchesOnlyItsOwn(self, world: World) -> None:
        invite = incoming("INVITE")
        world.serve(invite)
        cancel = incoming("CANCEL", branch=invite.viaBranch)
        assert world.transactions.matchRequest(cancel) is None
        transaction = world.serve(cancel)
        assert world.transactions.matchRequest(cancel) is transaction


class TestRFC2543:
    """Section 17.2.3, for branches without the magic cookie."""

    OLD = (None, "1", "z9hG4bK", "Z9HG4BK77")

    @pytest.mark.parametrize("branch", OLD)
    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_aRetransmissionMatchesByTheWholeOfTheRequest(
        self, world: World, method: str, branch: str | None
    ) -> None:
        transaction = world.serve(incoming(method, branch=branch))
        assert world.transactions.matchRequest(incoming(method, branch=branch)) is transaction

    @pytest.mark.parametrize(
        "changed",
        [
            {"uri": "sip:carol@example.test"},
            {"toTag": "other"},
            {"fromTag": "other"},
            {"callID": "other"},
            {"cseq": 8},
            {"sentBy": "other.invalid"},
        ],
    )
    @pytest.mark.parametrize("branch", OLD)
    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_whatDiffersMatchesNothing(
        self, world: World, method: str, branch: str | None, changed: dict[str, Any]
    ) -> None:
        world.serve(incoming(method, branch=branch))
        other = incoming(method, branch=branch, **changed)
        assert world.transactions.matchRequest(other) is None
        transaction = world.serve(other)
        assert world.transactions.matchRequest(other) is transaction
        assert len(world.transactions) == 2

    @pytest.mark.parametrize("branch", OLD)
    def test_anAckMatchesByTheToTagOfTheResponse(self, world: World, branch: str | None) -> None:
        invite = incoming("INVITE", branch=branch)
        transaction = world.serve(invite)
        transaction.respond(OutgoingResponse(invite, 486, toTag="to1"))
        match = world.transactions.matchRequest
        assert match(incoming("ACK", branch=branch, toTag="other")) is None
        assert match(incoming("ACK", branch=branch, toTag="to1", cseq=8)) is None
        ack = incoming("ACK", branch=branch, toTag="to1")
        assert match(ack) is transaction
        transaction.receiveRequest(ack)
        assert match(ack) is None
        assert len(world.transactions) == 0

    def test_anAckToAn2xxGoesToTheUser(self, world: World) -> None:
        # RFC 6026 section 6: it "must be passed directly to the transaction user".
        invite = incoming("INVITE", branch=None)
        acks: list[IncomingRequest] = []
        transaction = InviteServerTransaction(invite, world.transport, world.transactions, onAck=acks.append)
        transaction.respond(OutgoingResponse(invite, 200, toTag="to1"))
        ack = incoming("ACK", branch=None, toTag="to1")
        match = world.transactions.matchRequest(ack)
        assert match is transaction
        match.receiveRequest(ack)
        assert acks == [ack]

    def test_aCancelFindsItsInvite(self, world: World) -> None:
        transaction = world.serve(incoming("INVITE", branch=None))
        cancel = incoming("CANCEL", branch=None)
        assert world.transactions.matchRequest(cancel) is None
        assert world.transactions.findCancelled(cancel) is transaction


class TestFindCancelled:
    """RFC 3261 section 9.2."""

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_itIsThatWithTheSameBranchAndSentBy(self, world: World, method: str) -> None:
        request = incoming(method)
        transaction = world.serve(request)
        find = world.transactions.findCancelled
        assert find(incoming("CANCEL", branch=request.viaBranch)) is transaction
        assert find(incoming("CANCEL", branch=request.viaBranch, sentBy="other.invalid")) is None
        assert find(incoming("CANCEL")) is None

    def test_aCancelIsNotCancelled(self, world: World) -> None:
        cancel = incoming("CANCEL")
        world.serve(cancel)
        assert world.transactions.findCancelled(cancel) is None

    def test_ofTwoWithTheSameBranchItIsTheSenders(self, world: World) -> None:
        branch = newBranch()
        for host in ("one.invalid", "two.invalid"):
            world.serve(incoming("INVITE", branch=branch, sentBy=host))
        cancel = incoming("CANCEL", branch=branch, sentBy="two.invalid")
        found = world.transactions.findCancelled(cancel)
        assert found is not None
        assert found.sentBy == "two.invalid"


class TestFindMerged:
    """RFC 3261 section 8.2.2.2."""

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_theSameRequestWithAnotherBranchIsMerged(self, world: World, method: str) -> None:
        world.serve(incoming(method))
        assert world.transactions.findMerged(incoming(method)) is True
        assert world.transactions.findMerged(incoming(method, uri="sip:other@example.test")) is True

    def test_aRetransmissionIsNot(self, world: World) -> None:
        request = incoming("INVITE")
        world.serve(request)
        assert world.transactions.findMerged(request) is False

    @pytest.mark.parametrize(
        "changed", [{"fromTag": "other"}, {"callID": "other"}, {"cseq": 8}, {"cseqMethod": "INFO"}]
    )
    def test_anotherRequestIsNot(self, world: World, changed: dict[str, Any]) -> None:
        world.serve(incoming("INVITE"))
        method = changed.pop("cseqMethod", "INVITE")
        assert world.transactions.findMerged(incoming(method, **changed)) is False

    def test_onceTheFirstHasEndedItIsNot(self, world: World) -> None:
        request = incoming("MESSAGE")
        transaction = world.serve(request)
        transaction.respond(OutgoingResponse(request, 200, toTag="to1"))
        assert world.transactions.findMerged(incoming("MESSAGE")) is False

    def test_whereTwoWereTakenBothMustHaveEnded(self, world: World) -> None:
        requests = [incoming("MESSAGE"), incoming("MESSAGE")]
        transactions = [world.serve(request) for request in requests]
        assert [world.transactions.findMerged(request) for request in requests] == [False, False]
        for request, transaction in zip(requests, transactions, strict=True):
            assert world.transactions.findMerged(incoming("MESSAGE")) is True
            transaction.respond(OutgoingResponse(request, 200, toTag="to1"))
        assert world.transactions.findMerged(incoming("MESSAGE")) is False

    def test_itDoesNotLookAtTheOthers(self, world: World) -> None:
        class Watched(dict[Any, Any]):
            def __iter__(self) -> Any:
                raise AssertionError("all were looked at")

            values = items = keys = __iter__

        for number in range(100):
            world.serve(incoming("MESSAGE", callID=f"call{number}"))
        world.transactions._identities = Watched(world.transactions._identities)
        assert world.transactions.findMerged(incoming("MESSAGE", callID="call50")) is True


class TestTransportLost:
    """The loss of one transport of several."""

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_onlyItsOwnTransactionsFail(self, world: World, method: str) -> None:
        other = FakeTransport()
        ours, theirs = world.ask(method), world.ask(method, other)
        world.transactions.transportLost(world.transport, TransportError("gone"))
        assert [type(result) for result in ours.results] == [TransportError]
        assert theirs.results == []
        theirs.receive(404)
        assert theirs.results[0].statusCode == 404
        assert len(world.transactions) == 0

    def test_answeredInvitesStay(self, world: World) -> None:
        client = world.ask("INVITE")
        client.receive(200)
        invite = incoming("INVITE")
        server = world.serve(invite)
        server.respond(OutgoingResponse(invite, 200, toTag="to1"))
        world.transactions.transportLost(world.transport, TransportError("gone"))
        assert client.results[0].statusCode == 200
        assert client.transaction.state == server.state == "Accepted"

    def test_whoSendsAgainAtOnceIsNotFailedByTheSameLoss(self, world: World) -> None:
        first = world.ask()
        again: list[Asked] = []
        first.deferred.addBoth(lambda _: again.append(world.ask()))
        world.transactions.transportLost(world.transport, TransportError("gone"))
        assert len(first.results) == 1
        assert again[0].results == []


class TestClose:
    """The end of all."""

    def test_nothingIsLeft(self, world: World) -> None:
        asked = [world.ask(method) for method in ("INVITE", "MESSAGE", "INVITE", "INVITE")]
        asked[2].receive(180)
        asked[3].receive(200)
        for method in ("INVITE", "MESSAGE"):
            world.serve(incoming(method))
        for statusCode in (200, 486):
            invite = incoming("INVITE")
            world.serve(invite).respond(OutgoingResponse(invite, statusCode, toTag="to1"))
        error = NotConnected("the user agent has been stopped")

        world.transactions.close(error)

        assert len(world.transactions) == 0
        assert world.clock.getDelayedCalls() == []
        for each in asked[:3]:
            (result,) = each.results
            assert type(result) is NotConnected
            assert result.request is each.request
            assert str(result) == str(error)
        assert asked[3].results[0].statusCode == 200
        assert error.request is None

    def test_theTransactionsAreDeadAfterwards(self, world: World) -> None:
        asked = world.ask()
        invite = incoming("INVITE")
        server = world.serve(invite)
        world.transactions.close(TransportError("stopped"))
        world.transport.take()
        asked.receive(200)
        asked.deferred.cancel()
        assert server.respond(OutgoingResponse(invite, 200, toTag="to1")) is False
        server.receiveRequest(invite)
        server.transportLost(TransportError("gone"))
        assert len(asked.results) == 1
        assert world.transport.sent == []

    def test_oneThatEndsAnotherMeanwhileIsNoMatter(self, world: World) -> None:
        first, second = world.ask(), world.ask()
        first.deferred.addBoth(lambda _: second.deferred.cancel())
        world.transactions.close(TransportError("stopped"))
        assert len(first.results) == len(second.results) == 1
        assert isinstance(second.results[0], TransactionCancelled)

    def test_whoSendsAgainAtOnceFailsToo(self, world: World) -> None:
        first = world.ask()
        again: list[Asked] = []
        first.deferred.addBoth(lambda _: again.append(world.ask()))
        world.transactions.close(NotConnected("stopped"))
        (result,) = again[0].results
        assert isinstance(result, NotConnected)
        assert result.request is again[0].request
        assert len(world.transactions) == 0
        assert world.clock.getDelayedCalls() == []

    def test_whoTakesARequestMeanwhileIsRefused(self, world: World) -> None:
        asked = world.ask()
        refused: list[BaseException] = []

        def serve(_: object) -> None:
            try:
                world.serve(incoming("INVITE"))
            except NotConnected as error:
                refused.append(error)

        asked.deferred.addBoth(serve)
        world.transactions.close(NotConnected("stopped"))
        assert len(refused) == 1
        assert len(world.transactions) == 0

    def test_itCanBeUsedAgain(self, world: World) -> None:
        world.ask()
        world.transactions.close(TransportError("stopped"))
        asked = world.ask()
        asked.receive(200)
        assert asked.results[0].statusCode == 200


class TestWhenIdle:
    """Waiting for requests that wait for their final response."""

    def wait(self, world: World) -> list[Any]:
        fired: list[Any] = []
        world.transactions.whenIdle().addBoth(fired.append)
        return fired

    def test_atOnceWhereThereIsNone(self, world: World) -> None:
        assert self.wait(world) == [None]

    def test_invitesAndRequestsOfOthersDoNotCount(self, world: World) -> None:
        world.ask("INVITE")
        world.serve(incoming("MESSAGE"))
        assert self.wait(world) == [None]

    def test_afterTheLastFinalResponse(self, world: World) -> None:
        asked = [world.ask(), world.ask("OPTIONS")]
        fired = [self.wait(world), self.wait(world)]
        asked[0].receive(100)
        asked[0].receive(200)
        assert fired == [[], []]
        asked[1].receive(404)
        assert fired == [[None], [None]]

    def test_theResponseIsDeliveredFirst(self, world: World) -> None:
        asked = world.ask()
        order: list[str] = []
        world.transactions.whenIdle().addBoth(lambda _: order.append("idle"))
        asked.deferred.addBoth(lambda _: order.append("response"))
        asked.receive(200)
        assert order == ["response", "idle"]

    def test_whatTheResponseBringsAboutCounts(self, world: World) -> None:
        asked = world.ask()
        again: list[Asked] = []
        asked.deferred.addBoth(lambda _: again.append(world.ask()))
        fired = self.wait(world)
        asked.receive(401)
        assert fired == []
        again[0].receive(200)
        assert fired == [None]

    @pytest.mark.parametrize("how", ["timeout", "loss", "cancel", "close"])
    def test_howeverTheyEnd(self, world: World, how: str) -> None:
        asked = world.ask()
        fired = self.wait(world)
        if how == "timeout":
            world.clock.advance(32)
        elif how == "loss":
            world.transactions.transportLost(world.transport, TransportError("gone"))
        elif how == "cancel":
            asked.deferred.cancel()
        else:
            world.transactions.close(TransportError("stopped"))
        assert fired == [None]

    def test_itCanBeCancelled(self, world: World) -> None:
        asked = world.ask()
        waiter = world.transactions.whenIdle()
        results: list[Any] = []
        waiter.addErrback(lambda failure: results.append(failure.type))
        waiter.cancel()
        assert results == [CancelledError]
        assert world.transactions._waiting == []
        asked.receive(200)
        assert len(results) == 1

    def test_oneThatGoesOnMayCancelAnother(self, world: World) -> None:
        asked = world.ask()
        results: list[str] = []
        first = world.transactions.whenIdle()
        second = world.transactions.whenIdle()
        first.addCallback(lambda _: second.cancel())
        second.addCallbacks(lambda _: results.append("idle"), lambda _: results.append("cancelled"))
        asked.receive(200)
        assert results == ["cancelled"]


class TestNothingIsLeft:
    """After the last transaction, there is no object and no delayed call of ours."""

    def test_10000TransactionsOfAllKinds(self) -> None:
        world = World()
        references: list[weakref.ref[Any]] = []
        for number in range(2_500):
            self.once(world, number, references)
        world.transport.take()
        assert len(references) == 10_000
        world.clock.pump([3.5, 32])
        assert world.clock.getDelayedCalls() == []
        assert len(world.transactions) == 0
        assert world.transactions._identities == {}
        assert world.transactions._acks == {}
        assert all(len(delay) == 0 for delay in world.transactions._delays.values())
        assert sum(reference() is not None for reference in references) == 0

    def once(self, world: World, number: int, references: list[weakref.ref[Any]]) -> None:
        for method in ("INVITE", "MESSAGE"):
            asked = Asked(world, method, world.transport)
            if number % 3:
                asked.receive(200 if number % 2 else 404)
            elif number % 2:
                asked.deferred.cancel()
            request = incoming(method, callID=f"call{number}", branch=newBranch() if number % 2 else None)
            server = world.serve(request)
            if method == "INVITE" or number % 3:
                server.respond(OutgoingResponse(request, 200 if number % 2 else 404, toTag="to1"))
            references += [weakref.ref(asked.transaction), weakref.ref(server)]

    def test_aTransactionIsFreedByItsLastReference(self) -> None:
        world = World()
        gc.disable()
        try:
            for method in ("INVITE", "MESSAGE"):
                asked = world.ask(method)
                reference = weakref.ref(asked.transaction)
                asked.receive(404)
                del asked
                assert reference() is None
        finally:
            gc.enable()
