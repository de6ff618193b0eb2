"""Two flows at once (RFC 5626): each is kept up by itself, and one of them is enough."""

from __future__ import annotations

import gc
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent

from sipws.config import Configuration
from sipws.errors import ConfigurationError, NotConnected, RegistrationError, TransportError
from sipws.interfaces import C, IUserAgent
from sipws.message import IncomingRequest
from sipws.server import EmbeddedServer
from sipws.testing import MemoryConnection, MemoryNetwork, acceptRegister
from sipws.ua import UserAgent
from tests.ua.fakes import ALICE, BOB, incoming, outcome
from tests.ua.places import INSTANCE, Places, nameOf

if TYPE_CHECKING:
    from collections.abc import Callable

OPTIONS: dict[str, Any] = {"flows": 2, "instanceId": INSTANCE, "wsServerMaxReconnection": 0}


def twoFlows(weights: dict[str, float] | None = None, **options: Any) -> Places:
    return Places(weights or {"a": 2, "b": 1}, **{**OPTIONS, **options})


def started(weights: dict[str, float] | None = None, **options: Any) -> Places:
    places = twoFlows(weights, **options)
    places.start()
    places.takeEvents()
    return places


def serversOf(places: Places) -> list[str | None]:
    """Say which server each flow has."""
    return [None if flow.server is None else nameOf(flow.server) for flow in places.ua.flows]


def registered(places: Places) -> list[bool]:
    return [flow.registration.registered for flow in places.ua.flows]


def status(places: Places) -> int:
    return places.ua.status


def registrations(places: Places) -> list[tuple[str, IncomingRequest]]:
    """Have REGISTERs answered, and noted with the server that they came to."""
    seen: list[tuple[str, IncomingRequest]] = []
    for name, host in places.hosts.items():

        def register(connection: MemoryConnection, request: IncomingRequest, name: str = name) -> None:
            seen.append((name, request))
            acceptRegister(connection, request)

        host.answer("REGISTER", register)
    return seen


class TestStart:
    def test_eachFlowHasAServerOfItsOwnAndTheFirstTheHeavier(self) -> None:
        places = started({"a": 1, "b": 3, "c": 2})
        assert serversOf(places) == ["b", "c"]
        assert registered(places) == [True, True]
        assert [flow.regID for flow in places.ua.flows] == [1, 2]
        assert places.ua.transport is places.ua.flows[0].transport
        assert places.ua.registration is places.ua.flows[0].registration
        places.stop()

    def test_byDefaultThereIsOne(self) -> None:
        places = started(flows=None)
        assert len(places.ua.flows) == 1
        assert places.connectedTo() == ["a"]
        places.stop()

    def test_eachRegistersWithItsNumberItsCallIDAndTheSameInstance(self) -> None:
        """RFC 5626 section 4.2.1: "Each of these REGISTER requests will use a unique Call-ID"."""
        places = twoFlows()
        seen = registrations(places)
        places.start()
        [(first, one), (second, two)] = seen
        assert (first, second) == ("a", "b")
        contacts = [request.parseHeader("Contact") for request in (one, two)]
        assert [contact.parameters["reg-id"] for contact in contacts] == ["1", "2"]
        assert {contact.parameters["+sip.instance"] for contact in contacts} == {f"<urn:uuid:{INSTANCE}>"}
        assert contacts[0].uri == contacts[1].uri
        assert one.callID != two.callID
        for request in (one, two):
            assert {"path", "outbound"} <= set(request.getHeaders("Supported"))
        places.stop()

    def test_theNumbersAreTheSameAfterARestart(self) -> None:
        """So that "the reg-id values will collide with the previously used reg-id values"."""
        places = twoFlows()
        seen = registrations(places)
        for _ in range(2):
            places.start()
            places.stop()
        numbers = [request.parseHeader("Contact").parameters["reg-id"] for _, request in seen]
        # Each registers and unregisters.
        assert sorted(numbers) == ["1"] * 4 + ["2"] * 4

    def test_theSecondIsTheUserAgentToItsTransport(self) -> None:
        places = started()
        first, second = places.ua.flows
        assert IUserAgent.providedBy(second)
        transport: Any = second.transport
        assert transport.ua is second
        assert (second.status, second.configuration) == (places.ua.status, places.ua.configuration)
        transport = first.transport
        assert transport.ua is places.ua
        places.stop()

    def test_oneThatComesLateIsTakenByTheFlowThatHasNone(self) -> None:
        places = twoFlows()
        places.hosts["b"].refuse()
        places.start()
        assert serversOf(places)[0] == "a"
        assert places.at() == "a"
        assert status(places) == C.STATUS_READY
        places.hosts["b"].accept()
        places.network.advance(31)
        assert serversOf(places) == ["a", "b"]
        assert registered(places) == [True, True]
        places.stop()

    def test_neverAreTwoAtOneServer(self) -> None:
        places = twoFlows(wsServerMaxReconnection=1)
        places.hosts["b"].refuse()
        places.start()
        for _ in range(200):
            places.network.advance(1)
            assert len(places.openAt("a")) == 1
        places.stop()

    @pytest.mark.parametrize(
        ("options", "option"),
        [
            ({"wsServers": ["ws://a.example.com", "ws://b.example.com"]}, "flows"),
            ({"wsServers": "ws://a.example.com", "instanceId": INSTANCE}, "flows"),
        ],
    )
    def test_theyNeedAnInstanceAndTwoServers(self, options: dict[str, Any], option: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            Configuration(uri=ALICE, flows=2, **options)
        assert caught.value.option == option


def withOutbound(connection: MemoryConnection, request: IncomingRequest) -> None:
    contact = request.getHeader("Contact") or ""
    connection.respond(request, 200, headers=[("Contact", contact), ("Require", "path, Outbound")])


@pytest.mark.parametrize(("answer", "count"), [(acceptRegister, 1), (withOutbound, 0)])
def test_aRegistrarThatKnowsOfOneFlowAloneIsWarnedOfOnce(answer: Any, count: int) -> None:
    """RFC 5626 section 6: "the registrar MUST include the outbound option-tag in a Require header"."""
    places = twoFlows()
    for host in places.hosts.values():
        host.answer("REGISTER", answer)
    with capturedLogs() as events:
        places.start()
        places.network.advance(3600)
    told = [formatEvent(event) for event in events if event["log_level"] is LogLevel.warn]
    assert len([text for text in told if "outbound" in text]) == count
    places.stop()


@pytest.mark.parametrize(
    ("one", "other", "isSame"),
    [
        ("ws://a.example", "ws://A.EXAMPLE:80/", True),
        ("wss://a.example/sip?x=1", "wss://a.example:443/sip?x=2", True),
        ("ws://a.example", "wss://a.example", False),
        ("ws://a.example/one", "ws://a.example/two", False),
        ("ws://a.example", "ws://a.example:81", False),
        ("unix:/run/one", "unix:/run/two", False),
    ],
)
def test_twoURIsOfOnePlaceAreOneServer(one: str, other: str, isSame: bool) -> None:
    options: dict[str, Any] = {"uri": ALICE, "flows": 2, "instanceId": INSTANCE, "wsServers": [one, other]}
    if isSame:
        with pytest.raises(ConfigurationError, match="flows"):
            Configuration(**options)
    else:
        assert Configuration(**options).flows == 2


def test_aServerIsTakenWhateverItsURI() -> None:
    network = MemoryNetwork()
    network.answer("REGISTER", acceptRegister)
    servers = ["ws://a.example", "ws://A.example:80/", "ws://b.example"]
    options: dict[str, Any] = {"uri": ALICE, "flows": 2, "instanceId": INSTANCE, "wsServers": servers}
    for seed in range(10):
        userAgent = UserAgent(Configuration(**options), network.reactor, random=Random(seed))
        userAgent.start()
        network.advance(1)
        hosts = {flow.server.sip_uri.lower()[:10] for flow in userAgent.flows if flow.server}
        assert hosts == {"<sip:a.exa", "<sip:b.exa"}
        userAgent.stop()
        network.advance(5)


class TestWay:
    def answeredBy(self, places: Places) -> str:
        """Send a request, and say which server it came to."""
        answer = outcome(places.ua.message(BOB, "hello"))
        places.network.advance(0)
        for name in places.hosts:
            for connection in places.openAt(name):
                for request in connection.requests:
                    if request.method == "MESSAGE":
                        connection.respond(connection.takeRequest("MESSAGE"), 200)
                        assert answer[0].statusCode == 200
                        return name
        raise AssertionError("it came nowhere")

    def test_itIsTheFirst(self) -> None:
        places = started()
        assert self.answeredBy(places) == "a"
        places.stop()

    def test_whereTheFirstIsLostItIsTheSecond(self) -> None:
        places = started()
        places.hosts["a"].crash()
        places.network.advance(0)
        assert self.answeredBy(places) == "b"
        places.stop()

    def test_whereTheFirstIsNotRegisteredItIsTheSecond(self) -> None:
        places = twoFlows()
        places.hosts["a"].answer("REGISTER", 503)
        places.start()
        assert self.answeredBy(places) == "b"
        places.stop()

    def test_whereNeitherRegistersItIsTheFirst(self) -> None:
        places = started(register=False)
        assert self.answeredBy(places) == "a"
        places.stop()

    def test_whereTheFirstDoesNotReadItIsTheSecond(self) -> None:
        places = started()
        first = places.hosts["a"].connection
        first.pauseReading()
        waiting = [outcome(places.ua.message(BOB, "x" * 60_000)) for _ in range(5)]
        places.network.advance(0)
        assert places.at() == "b"
        answer = outcome(places.ua.message(BOB, "hello"))
        places.network.advance(0)
        second = places.hosts["b"].connection
        for request in [request for request in second.requests if request.method == "MESSAGE"]:
            second.respond(request, 200)
        assert answer[0].statusCode == 200
        first.resumeReading()
        places.network.advance(0)
        assert places.at() == "a"
        places.ua.stop()
        places.network.advance(5)
        assert all(waiting)

    def test_withoutAnyItWaits(self) -> None:
        places = started()
        places.hosts["a"].crash()
        places.hosts["b"].crash()
        places.network.advance(0)
        assert places.ua.way() is None
        answer = outcome(places.ua.message(BOB, "hello"))
        places.hosts["b"].accept()
        places.network.advance(4)
        connection = places.hosts["b"].connection
        connection.respond(connection.takeRequest("MESSAGE"), 200)
        assert answer[0].statusCode == 200
        places.stop()

    def test_theACKGoesTheWayOfTheINVITE(self) -> None:
        """RFC 5626 section 4.3: the dialog is that of the flow."""
        places = started()
        places.hosts["a"].crash()
        places.network.advance(0)
        answer = outcome(places.ua.request("INVITE", BOB))
        places.network.advance(0)
        second = places.hosts["b"].connection
        invite = second.takeRequest("INVITE")
        assert ";ob" in (invite.getHeader("Contact") or "")
        places.hosts["a"].accept()
        places.network.advance(3)
        assert places.at() == "a"
        second.respond(invite, 200, headers=[("Contact", "<sip:bob@b.invalid>")])
        assert answer[0].statusCode == 200
        assert second.takeRequest("ACK").method == "ACK"
        places.stop()


class TestIncoming:
    def test_requestsComeInOnEitherAndAreAnsweredThere(self) -> None:
        places = started()
        got: list[bytes] = []
        places.ua.on("message", lambda request: got.append(request.body))
        for name in ("a", "b"):
            connection = places.hosts[name].connection
            connection.send(incoming(callID=name, branch=f"z9hG4bK{name}", body=name))
            assert connection.takeResponse().statusCode == 200
        assert got == [b"a", b"b"]
        places.stop()

    def test_aCopyThatComesByTheOtherFlowMeanwhileIsMerged(self) -> None:
        """RFC 3261 section 8.2.2.2: a 482, as the first is being answered."""
        places = started()
        results: list[Deferred[int]] = []

        def handler(request: IncomingRequest) -> Deferred[int]:
            results.append(Deferred())
            return results[-1]

        places.ua.handle("MESSAGE", handler)
        first, second = places.hosts["a"].connection, places.hosts["b"].connection
        first.send(incoming(branch="z9hG4bKone"))
        second.send(incoming(branch="z9hG4bKtwo"))
        assert second.takeResponse().statusCode == 482
        assert len(results) == 1
        results[0].callback(200)
        places.network.advance(0)
        assert first.takeResponse().statusCode == 200
        places.stop()

    def test_aRetransmissionIsNoCopy(self) -> None:
        places = started()
        places.ua.handle("INVITE", lambda request: None)
        first = places.hosts["a"].connection
        first.send(incoming("INVITE"))
        first.send(incoming("INVITE"))
        places.network.advance(0.3)
        assert {response.statusCode for response in first.responses} == {100}
        places.stop()


class TestLoss:
    @pytest.mark.parametrize("lost", ["a", "b"])
    def test_theOtherGoesOnAndTheLostOneComesBack(self, lost: str) -> None:
        places = started()
        other = {"a": "b", "b": "a"}[lost]
        places.hosts[lost].crash()
        places.network.advance(0)
        assert places.at() == other
        assert places.connectedTo() == [other]
        assert status(places) == C.STATUS_READY
        assert places.ua.error is None
        # Not "unregistered": somebody who asks for us still finds us.
        assert set(places.takeEvents()) == {f"disconnected {lost}"}
        places.network.advance(10)
        assert status(places) == C.STATUS_READY
        places.hosts[lost].accept()
        places.network.advance(31)
        assert serversOf(places) == ["a", "b"]
        assert registered(places) == [True, True]
        assert [one for one in places.takeEvents() if lost not in one] == ["registered"]
        places.stop()

    def test_theLostOneTakesAServerThatTheOtherHasNot(self) -> None:
        places = started({"a": 3, "b": 2, "c": 1})
        places.hosts["a"].crash()
        places.settle()
        assert serversOf(places) == ["c", "b"]
        places.hosts["b"].crash()
        places.settle()
        places.hosts["a"].accept()
        places.network.advance(31)
        assert serversOf(places) == ["c", "a"]
        places.stop()

    def test_itsTransactionsFailTypedAndThoseOfTheOtherDoNot(self) -> None:
        places = started()
        first, second = places.hosts["a"].connection, places.hosts["b"].connection
        lost = outcome(places.ua.message(BOB, "first"))
        places.network.advance(0)
        request = first.takeRequest("MESSAGE")
        first.stall()
        places.hosts["a"].refuse()
        first.drop()
        kept = outcome(places.ua.message(BOB, "second"))
        places.network.advance(0)
        assert isinstance(lost[0], TransportError)
        assert lost[0].sent
        assert lost[0].request is not None
        assert lost[0].request.callID == request.callID
        second.respond(second.takeRequest("MESSAGE"), 200)
        assert kept[0].statusCode == 200
        places.stop()

    def test_whenBothAreLostNobodyFindsUs(self) -> None:
        places = started()
        places.hosts["a"].crash()
        places.hosts["b"].crash()
        places.settle()
        assert places.takeEvents().count("unregistered") == 1
        assert status(places) == C.STATUS_NOT_READY
        assert places.ua.error == C.NETWORK_ERROR
        places.hosts["b"].accept()
        places.network.advance(31)
        assert status(places) == C.STATUS_READY
        assert places.ua.error is None
        places.stop()

    def test_anIncomingRequestOfTheLostOneIsNotAnsweredOnTheOther(self) -> None:
        places = started()
        result: Deferred[int] = Deferred()
        places.ua.handle("MESSAGE", lambda request: result)
        places.hosts["a"].connection.send(incoming())
        places.hosts["a"].crash()
        places.network.advance(0)
        result.callback(200)
        places.network.advance(0)
        assert places.hosts["b"].connection.responses == []
        places.stop()

    def test_theEmbeddedServerFindsUsByTheOther(self) -> None:
        places = twoFlows()
        server = places.serve()
        places.start()
        assert len(server.locations[ALICE]) == 2
        got: list[bytes] = []
        places.ua.on("message", lambda request: got.append(request.body))
        bob = type(places.ua)(Configuration(uri=BOB, wsServers="ws://c.example.com"), places.network.reactor)
        bob.start()
        places.settle()
        for number, flow in enumerate(places.ua.flows):
            answer = outcome(bob.message(ALICE, f"{number}"))
            places.network.advance(0)
            assert answer[0].statusCode == 200
            # Its server closes it; it is back later.
            transport: Any = flow.transport
            connection = next(
                binding.connection
                for binding in server.locations[ALICE]
                if binding.flow is not None and binding.flow[1] == str(flow.regID)
            )
            connection.close()
            places.network.advance(0)
            assert not transport.connected
            answer = outcome(bob.message(ALICE, f"{number} again"))
            places.network.advance(0)
            assert answer[0].statusCode == 200
            places.network.advance(31)
            assert len(server.locations[ALICE]) == 2
        assert got == [b"0", b"0 again", b"1", b"1 again"]
        bob.stop()
        places.ua.stop()
        outcome(server.stop())
        places.network.advance(5)
        assert ALICE not in server.locations


class TestTogether:
    """What there is once for both."""

    def test_connectedIsOne(self) -> None:
        places = twoFlows()
        places.hosts["a"].stall()
        places.ua.start()
        connected = outcome(places.ua.whenConnected())
        places.network.advance(0)
        assert connected == [None]
        places.stop()

    def test_registeredIsOne(self) -> None:
        places = twoFlows()
        places.hosts["a"].answer("REGISTER", 503)
        places.ua.start()
        found = outcome(places.ua.whenRegistered())
        each = [outcome(flow.registration.whenRegistered()) for flow in places.ua.flows]
        places.settle()
        assert found == [None]
        assert each == [[], [None]]
        # Those who wait still are told of the end.
        places.stop()
        assert isinstance(each[0][0], NotConnected)

    def test_registeredAlreadyIsAtOnce(self) -> None:
        places = started()
        assert outcome(places.ua.whenRegistered()) == [None]
        places.stop()

    def test_registeringFailsWhereBothDo(self) -> None:
        places = twoFlows()
        for host in places.hosts.values():
            host.answer("REGISTER", 403)
        places.ua.start()
        failed = outcome(places.ua.whenRegistered(failAfterFailures=1))
        places.settle()
        assert isinstance(failed[0], RegistrationError)
        assert failed[0].response is not None
        assert failed[0].response.statusCode == 403
        places.stop()

    def test_waitingCanBeCancelled(self) -> None:
        places = twoFlows()
        waiting = places.ua.whenRegistered()
        result = outcome(waiting)
        waiting.cancel()
        assert isinstance(result[0], CancelledError)
        places.start()
        places.stop()

    def test_waitingEndsWithAStop(self) -> None:
        places = twoFlows()
        for host in places.hosts.values():
            host.answer("REGISTER", 503)
        places.start()
        waiting = outcome(places.ua.whenRegistered())
        places.stop()
        assert isinstance(waiting[0], NotConnected)

    def test_stopUnregistersBoth(self) -> None:
        places = twoFlows()
        seen = registrations(places)
        places.start()
        seen.clear()
        places.stop()
        assert [name for name, _ in seen] == ["a", "b"]
        assert {request.getHeader("Expires") for _, request in seen} == {"0"}
        assert places.takeEvents()[-3:].count("unregistered") <= 1
        assert places.events == []

    def test_unregisteringAndRegisteringIsOfBoth(self) -> None:
        places = started()
        done = outcome(places.ua.unregister())
        places.network.advance(0)
        assert done == [None]
        assert registered(places) == [False, False]
        assert places.takeEvents() == ["unregistered"]
        places.ua.register()
        places.network.advance(0)
        assert registered(places) == [True, True]
        assert places.takeEvents() == ["registered", "registered"]
        places.stop()

    @pytest.mark.parametrize(
        "prepare",
        [
            lambda places: places.hosts["a"].crash(),
            lambda places: places.hosts["b"].crash(),
            lambda places: (places.hosts["a"].crash(), places.hosts["b"].crash()),
            lambda places: places.hosts["b"].connection.stall(),
            lambda places: places.hosts["a"].connection.stall(),
        ],
    )
    def test_stopLeavesNothingWhateverTheirState(self, prepare: Callable[[Places], object]) -> None:
        for wait in (0, 0.5, 3):
            places = started()
            prepare(places)
            places.network.advance(wait)
            done = outcome(places.ua.stop())
            places.network.advance(6)
            assert done == [None]
            assert not places.network.reactor.getDelayedCalls()
            assert places.network.openSockets == 0
            # And it can be started anew.
            places.hosts["a"].accept()
            places.hosts["b"].accept()
            places.start()
            assert registered(places) == [True, True]
            places.stop()

    def test_stopWaitsForTheEndOfBoth(self) -> None:
        places = started(stopTimeout=5, closeTimeout=1)
        places.hosts["b"].connection.stall()
        done = outcome(places.ua.stop())
        # Four seconds for what is open, of which its unregistering is never answered, and one for closing.
        places.network.advance(4.5)
        assert places.connectedTo() == ["b"]
        assert done == []
        places.network.advance(0.6)
        assert done == [None]

    def test_startedAnewTheFirstHasTheBestWhateverTheSecondHad(self) -> None:
        places = started({"a": 3, "b": 2, "c": 1})
        places.hosts["a"].crash()
        places.settle()
        places.hosts["b"].crash()
        places.hosts["a"].accept()
        places.network.advance(31)
        assert serversOf(places) == ["c", "a"]
        places.stop()
        places.hosts["b"].accept()
        places.start()
        assert serversOf(places) == ["a", "b"]
        places.stop()

    def test_eachAnswersTheChallengesOfItsOwnServer(self) -> None:
        places = twoFlows(password="secret", registerExpires=60)
        servers = []
        for host in places.hosts.values():
            servers.append(
                EmbeddedServer(places.network.reactor, domain="example.com", users={"alice": "secret"})
            )
            host.server = servers[-1].factory
        failures: list[object] = []
        places.ua.on("registrationFailed", lambda *what: failures.append(what))
        places.start()
        for _ in range(20):
            places.network.advance(45)
            assert registered(places) == [True, True]
            assert [len(server.locations[ALICE]) for server in servers] == [1, 1]
        assert failures == []
        places.ua.stop()
        places.network.advance(5)
        assert [ALICE in server.locations for server in servers] == [False, False]
        for server in servers:
            outcome(server.stop())
        places.network.advance(5)

    def test_eachIsBackAtAHeavierServer(self) -> None:
        places = twoFlows({"a": 4, "b": 3, "c": 2, "d": 1}, wsServerRest=5, wsServerReturnInterval=10)
        places.hosts["a"].refuse()
        places.hosts["b"].refuse()
        places.start()
        places.settle()
        assert serversOf(places) == ["c", "d"]
        places.hosts["a"].accept()
        places.hosts["b"].accept()
        places.network.advance(60)
        assert sorted(str(name) for name in serversOf(places)) == ["a", "b"]
        assert sorted(places.connectedTo()) == ["a", "b"]
        assert registered(places) == [True, True]
        places.stop()


def test_aThousandLossesLeaveNothingBehind() -> None:
    places = started({"a": 3, "b": 2, "c": 1}, wsServerRest=1)

    def lose(number: int) -> None:
        host = places.hosts["abc"[number % 3]]
        host.crash()
        places.settle()
        host.accept()
        places.network.advance(2)

    def size() -> int:
        places.network.connections.clear()
        for host in places.hosts.values():
            host.connections = host.connections[-1:]
        places.takeEvents()
        gc.collect()
        return len(gc.get_objects())

    for number in range(30):
        lose(number)
    before, timers = size(), len(places.network.reactor.getDelayedCalls())
    for number in range(1000):
        lose(number)
    assert size() - before < 200
    assert len(places.network.reactor.getDelayedCalls()) <= timers + 2
    assert len(places.connectedTo()) == 2
    places.stop()
