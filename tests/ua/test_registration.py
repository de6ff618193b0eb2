"""Registration (RFC 3261 section 10.2): each row of its table, and that no registrar makes a storm."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest

from sipws.digest import DigestVerifier, Verdict
from sipws.errors import NotConnected, RegistrationError
from sipws.message import IncomingRequest
from sipws.ua.causes import (
    AUTHENTICATION_ERROR,
    BUSY,
    CONNECTION_ERROR,
    EXPIRES,
    INTERNAL_ERROR,
    NOT_FOUND,
    REDIRECTED,
    REJECTED,
    REQUEST_TIMEOUT,
    SIP_FAILURE_CODE,
    UNAVAILABLE,
    causeOfError,
    causeOfStatus,
)
from sipws.ua.registration import TABLE, Event, Registration, State
from tests.ua.fakes import FakeTransport, Scene, outcome

SECRET = "hunter2"
INSTANCE = "7ac1ed8c-94ad-4a5f-8a87-ce2fbbbcc96f"


class Registrar:
    """The other end of a scene's transport."""

    def __init__(self, **options: Any) -> None:
        self.scene = Scene(**{"register": True, "password": SECRET, **options})
        self.verifier = DigestVerifier("example.com", self.scene.clock.seconds, b"0" * 16, lifetime=3600)

    @property
    def transport(self) -> FakeTransport:
        return self.scene.transport

    @property
    def registration(self) -> Registration:
        return self.scene.ua.registration

    def state(self) -> State:
        return self.registration.state

    def isRegistered(self) -> bool:
        return self.registration.registered

    def take(self) -> IncomingRequest:
        request = self.transport.take()
        assert request.method == "REGISTER"
        assert isinstance(request, IncomingRequest)
        return request

    def accept(
        self, request: IncomingRequest | None = None, *, expires: object = None, headers: Any = ()
    ) -> IncomingRequest:
        """Answer 200, with the binding, for as long as was asked for or is given."""
        request = request or self.take()
        contact = request.getHeaders("Contact")[0]
        if expires is not None:
            contact = re.sub("expires=[0-9]+", f"expires={expires}", contact)
        self.transport.answer(request, 200, [("Contact", contact), *headers])
        return request

    def refuse(self, status: int, *headers: tuple[str, object]) -> IncomingRequest:
        request = self.take()
        self.transport.answer(request, status, headers)
        return request

    def register(self, **kwargs: Any) -> IncomingRequest:
        """Connect, and accept the first REGISTER."""
        self.scene.connect()
        request = self.accept(**kwargs)
        assert self.state() is State.REGISTERED
        self.scene.names()
        return request

    def next(self) -> float:
        """Say in how many seconds the next timer fires."""
        times: list[float] = [timer.getTime() for timer in self.scene.restless()]
        return min(times) - self.scene.clock.seconds()

    def wait(self) -> float:
        """Let the time of the next timer come."""
        delay = self.next()
        self.scene.clock.advance(delay)
        return delay

    def events(self) -> list[tuple[Any, ...]]:
        """Take the events of registration: their names, status codes and causes."""
        events, self.scene.events = self.scene.events, []
        return [
            (name, *[getattr(value, "statusCode", value) for value in values])
            for name, *values in events
            if "egist" in name
        ]


@pytest.fixture
def registrar() -> Registrar:
    return Registrar()


class TestRequest:
    def test_isSentOnConnection(self, registrar: Registrar) -> None:
        registrar.scene.ua.start()
        assert registrar.state() is State.IDLE
        registrar.transport.open()
        request = registrar.take()
        assert request.requestURIText == "sip:example.com"
        assert str(request.toHeader) == "<sip:alice@example.com>"
        assert str(request.fromHeader.uri) == "sip:alice@example.com"
        contact = request.parseHeader("Contact")
        assert contact.expires == 600
        assert contact.uri.host == request.via.host
        assert contact.uri.parameters["transport"] == "ws"
        assert request.parseHeader("Expires") == 600
        assert request.hasHeader("Allow")
        assert registrar.state() is State.REGISTERING

    def test_isNotSentWhereThatIsNotWanted(self) -> None:
        registrar = Registrar(register=False)
        registrar.registration.register()
        registrar.registration.wanted = False
        registrar.scene.connect()
        assert registrar.transport.sent == []
        assert not registrar.isRegistered()
        assert registrar.registration.granted == 0
        registrar.scene.ua.register()
        registrar.accept()
        assert registrar.isRegistered()
        registrar.transport.lose()
        registrar.registration.register()
        registrar.transport.open()
        assert len(registrar.transport.sent) == 1

    def test_goesToTheRegistrarServer(self) -> None:
        registrar = Registrar(registrarServer="sip:reg.example.net", registerExpires=120)
        registrar.scene.connect()
        request = registrar.take()
        assert request.requestURIText == "sip:reg.example.net"
        assert request.parseHeader("Contact").expires == 120

    def test_allHaveOneCallIDAndARisingCSeq(self, registrar: Registrar) -> None:
        first = registrar.register()
        registrar.wait()
        second = registrar.accept()
        registrar.transport.lose()
        registrar.transport.open()
        third = registrar.accept()
        assert {first.callID, second.callID, third.callID} == {first.callID}
        assert [first.cseq, second.cseq, third.cseq] == [1, 2, 3]

    def test_theCallIDIsNotAnotherUserAgents(self) -> None:
        callIDs = set()
        for seed in range(10):
            registrar = Registrar(seed=seed)
            callIDs.add(registrar.register().callID)
        assert len(callIDs) == 10

    def test_withAnInstanceItIsOutbound(self) -> None:
        registrar = Registrar(instanceId=INSTANCE, extraSupported=["timer", "path"])
        registrar.scene.connect()
        request = registrar.take()
        contact = request.parseHeader("Contact")
        assert contact.parameters["+sip.instance"] == f"<urn:uuid:{INSTANCE}>"
        assert f'+sip.instance="<urn:uuid:{INSTANCE}>"' in str(request)
        assert contact.parameters["reg-id"] == "1"
        assert "ob" not in contact.uri.parameters
        assert request.getHeaders("Supported") == ["path", "outbound", "timer"]

    def test_withoutOneItIsNot(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        request = registrar.take()
        assert "reg-id" not in request.parseHeader("Contact").parameters
        # RFC 3327 section 5.1: "The UA SHOULD include the option tag "path"".
        assert request.getHeaders("Supported") == ["path"]


class TestAuthentication:
    def test_aChallengeIsAnsweredWithTheNextCSeq(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        challenge = [("WWW-Authenticate", one) for one in registrar.verifier.makeChallenges()]
        first = registrar.refuse(401, *challenge)
        second = registrar.take()
        credentials = second.parseHeader("Authorization")
        assert registrar.verifier.verify(credentials, "REGISTER", SECRET) is Verdict.ACCEPTED
        assert (second.callID, second.cseq) == (first.callID, first.cseq + 1)
        registrar.accept(second)
        registrar.wait()
        third = registrar.take()
        assert third.cseq == second.cseq + 1
        again = third.parseHeader("Authorization")
        assert again.parameters["nc"] == "00000002"
        assert registrar.verifier.verify(again, "REGISTER", SECRET) is Verdict.ACCEPTED

    def test_aWrongPasswordIsAFailureAndNoStorm(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        delays = []
        for _ in range(6):
            for _ in range(2):
                challenge = [("WWW-Authenticate", one) for one in registrar.verifier.makeChallenges()]
                registrar.refuse(401, *challenge)
            assert registrar.transport.sent == []
            assert registrar.events() == [("registrationFailed", 401, AUTHENTICATION_ERROR)]
            delays.append(registrar.wait())
        bounds = [30, 60, 120, 240, 480, 960]
        assert all(bound / 2 <= delay <= bound for delay, bound in zip(delays, bounds, strict=True))


class TestRefresh:
    @pytest.mark.parametrize("expires", [60, 600])
    def test_isBeforeItRunsOut(self, registrar: Registrar, expires: int) -> None:
        registrar.register(expires=expires)
        delay = registrar.wait()
        assert expires * 0.5 <= delay <= expires * 0.9
        request = registrar.accept(expires=expires)
        assert request.parseHeader("Contact").expires == 600
        assert registrar.events() == [("registered", 200)]
        assert registrar.next() <= expires * 0.9

    def test_goesOnForEver(self, registrar: Registrar) -> None:
        registrar.register()
        for _ in range(100):
            registrar.wait()
            registrar.accept()
        assert registrar.isRegistered()
        assert len(registrar.scene.restless()) == 1

    @pytest.mark.parametrize("expires", [1, 2, 3, 5])
    def test_isNoStormForATinyExpires(self, registrar: Registrar, expires: int) -> None:
        registrar.register(expires=expires)
        sent = 0
        for _ in range(100):
            registrar.scene.clock.advance(1)
            for request in registrar.transport.takeAll():
                registrar.accept(request, expires=expires)
                sent += 1
        assert 15 <= sent <= 20

    def test_aBindingThatEndsBeforeItsRefreshEnds(self, registrar: Registrar) -> None:
        registrar.register(expires=1)
        assert registrar.wait() == 1
        assert registrar.events() == [("unregistered", None, EXPIRES)]
        assert registrar.wait() == 4
        registrar.accept(expires=1)
        assert registrar.events() == [("registered", 200)]

    @pytest.mark.parametrize("expires", ["0", "00"])
    def test_isNoStormForAnExpiresOfZero(self, registrar: Registrar, expires: str) -> None:
        registrar.scene.connect()
        sent = 0
        for _ in range(600):
            for request in registrar.transport.takeAll():
                assert isinstance(request, IncomingRequest)
                registrar.accept(request, expires=expires)
                sent += 1
            registrar.scene.clock.advance(1)
        assert sent <= 10
        assert not registrar.isRegistered()
        assert set(registrar.events()) == {("registrationFailed", 200, SIP_FAILURE_CODE)}

    @pytest.mark.parametrize("expires", ["-1", "9999999999999999999", "soon", '"x"', "4294967295"])
    def test_isThatOfWhatWasAskedForWhereExpiresIsAbsurd(self, registrar: Registrar, expires: str) -> None:
        registrar.register(expires=expires)
        assert registrar.registration.granted == 600
        assert 300 <= registrar.next() <= 540

    def test_aBindingThatIsNotOursIsAFailure(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        registrar.refuse(200, ("Contact", "<sip:other@elsewhere.invalid>;expires=600"))
        assert registrar.state() is State.WAITING
        assert registrar.events() == [("registrationFailed", 200, SIP_FAILURE_CODE)]

    def test_ofSeveralBindingsOursCounts(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        request = registrar.take()
        contact = request.getHeaders("Contact")[0].replace("expires=600", "expires=100")
        registrar.transport.answer(
            request,
            200,
            [("Contact", "<sip:other@elsewhere.invalid>;expires=5"), ("Contact", contact), ("Expires", 7)],
        )
        assert registrar.registration.granted == 100

    def test_thatIsRefusedLeavesTheBindingUntilItExpires(self, registrar: Registrar) -> None:
        registrar.register(expires=600)
        delay = registrar.wait()
        registrar.refuse(503, ("Retry-After", 1000))
        assert registrar.isRegistered()
        assert registrar.events() == [("registrationFailed", 503, SIP_FAILURE_CODE)]
        assert registrar.wait() == pytest.approx(600 - delay)
        assert not registrar.isRegistered()
        assert registrar.events() == [("unregistered", None, EXPIRES)]
        assert registrar.state() is State.WAITING
        registrar.wait()
        registrar.accept()
        assert registrar.events() == [("registered", 200)]

    def test_thatIsAnsweredWithoutOurBindingEndsIt(self, registrar: Registrar) -> None:
        registrar.register()
        registrar.wait()
        registrar.accept(expires=0)
        assert registrar.events() == [
            ("unregistered", 200, EXPIRES),
            ("registrationFailed", 200, SIP_FAILURE_CODE),
        ]
        assert not registrar.isRegistered()
        assert len(registrar.scene.restless()) == 1
        registrar.wait()
        registrar.accept()
        assert registrar.events() == [("registered", 200)]

    def test_thatIsNotAnsweredUntilTheBindingExpiresEndsIt(self, registrar: Registrar) -> None:
        registrar.register(expires=20)
        registrar.wait()
        request = registrar.take()
        registrar.wait()
        assert registrar.events() == [("unregistered", None, EXPIRES)]
        registrar.accept(request, expires=20)
        assert registrar.events() == [("registered", 200)]
        assert registrar.isRegistered()


class TestIntervalTooBrief:
    def test_isTriedOnceMoreWithWhatIsAskedFor(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        registrar.refuse(423, ("Min-Expires", 1800))
        request = registrar.take()
        assert request.parseHeader("Contact").expires == 1800
        assert request.cseq == 2
        registrar.accept(request)
        assert registrar.registration.granted == 1800
        assert registrar.events() == [("registered", 200)]
        registrar.wait()
        assert registrar.take().parseHeader("Contact").expires == 1800

    def test_isNotTriedTwice(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        registrar.refuse(423, ("Min-Expires", 1800))
        registrar.refuse(423, ("Min-Expires", 3600))
        assert registrar.transport.sent == []
        assert registrar.events() == [("registrationFailed", 423, SIP_FAILURE_CODE)]
        registrar.wait()
        registrar.refuse(423, ("Min-Expires", 3600))
        assert registrar.take().parseHeader("Contact").expires == 3600

    def test_mayBeTriedAgainAfterATimeout(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        registrar.refuse(423, ("Min-Expires", 1800))
        registrar.take()
        registrar.scene.clock.advance(32)
        registrar.wait()
        registrar.refuse(423, ("Min-Expires", 3600))
        assert registrar.take().parseHeader("Contact").expires == 3600

    @pytest.mark.parametrize("least", [None, "0", "600", "4294967295", "99999999999999", "soon", "-5"])
    def test_isAFailureWhereItAsksForNothingSensible(self, registrar: Registrar, least: str | None) -> None:
        registrar.scene.connect()
        registrar.refuse(423, *([] if least is None else [("Min-Expires", least)]))
        assert registrar.transport.sent == []
        assert registrar.events() == [("registrationFailed", 423, SIP_FAILURE_CODE)]
        assert registrar.registration.expires == 600


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "cause"),
        [
            (301, REDIRECTED),
            (400, SIP_FAILURE_CODE),
            (403, REJECTED),
            (404, NOT_FOUND),
            (480, UNAVAILABLE),
            (486, BUSY),
            (500, SIP_FAILURE_CODE),
            (603, REJECTED),
        ],
    )
    def test_areToldWithResponseAndCause(self, registrar: Registrar, status: int, cause: str) -> None:
        registrar.scene.connect()
        registrar.refuse(status)
        assert registrar.events() == [("registrationFailed", status, cause)]
        assert registrar.state() is State.WAITING

    def test_areTriedAgainEverLater(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        delays = []
        for _ in range(12):
            registrar.refuse(503)
            delays.append(registrar.wait())
        bounds = [min(1800, 5 * 2**failures) for failures in range(12)]
        assert all(bound / 2 <= delay <= bound for delay, bound in zip(delays, bounds, strict=True))
        registrar.accept()
        assert registrar.registration.failures == 0

    @pytest.mark.parametrize(
        ("after", "delay"), [("120", 120), ("120 (busy);duration=5", 120), ("9999999999", 1800)]
    )
    def test_areTriedAgainAfterRetryAfterWhichIsBounded(
        self, registrar: Registrar, after: str, delay: float
    ) -> None:
        registrar.scene.connect()
        registrar.refuse(503, ("Retry-After", after))
        assert registrar.next() == delay

    @pytest.mark.parametrize("after", ["0", "-1", "now", ""])
    def test_areNoStormForAnAbsurdRetryAfter(self, registrar: Registrar, after: str) -> None:
        registrar.scene.connect()
        sent = 0
        for _ in range(1000):
            for request in registrar.transport.takeAll():
                assert isinstance(request, IncomingRequest)
                registrar.transport.answer(request, 503, [("Retry-After", after)])
                sent += 1
            registrar.scene.clock.advance(1)
        assert sent <= 12

    def test_noAnswerIsOne(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        registrar.scene.clock.advance(32)
        assert registrar.events() == [("registrationFailed", None, REQUEST_TIMEOUT)]
        assert registrar.state() is State.WAITING

    def test_aTransportThatDoesNotSendIsOne(self, registrar: Registrar) -> None:
        registrar.scene.ua.start()
        registrar.transport.send = lambda msg: False  # type: ignore[method-assign]
        registrar.transport.open()
        assert registrar.events() == [("registrationFailed", None, CONNECTION_ERROR)]
        assert registrar.state() is State.WAITING

    def test_theUserMayTryAgainAtOnce(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        registrar.refuse(503)
        registrar.registration.register()
        registrar.accept()
        assert registrar.isRegistered()
        assert len(registrar.scene.restless()) == 1


class TestConnection:
    def test_itsLossIsTheBindingsEnd(self, registrar: Registrar) -> None:
        registrar.register()
        registrar.transport.lose()
        assert registrar.events() == [("unregistered", None, CONNECTION_ERROR)]
        assert registrar.scene.restless() == []
        assert registrar.state() is State.IDLE

    def test_afterEachReconnectionItRegistersAgain(self, registrar: Registrar) -> None:
        registrar.register()
        for _ in range(3):
            registrar.transport.lose()
            registrar.transport.open()
            registrar.accept()
            assert registrar.events() == [("unregistered", None, CONNECTION_ERROR), ("registered", 200)]

    def test_onTheNextServerToo(self) -> None:
        registrar = Registrar(wsServers=["ws://a", "ws://b"])
        registrar.register()
        registrar.transport.lose()
        registrar.transport.giveUp()
        registrar.transport.open()
        registrar.accept()
        assert registrar.isRegistered()

    def test_itsLossWhileRegisteringIsNoFailure(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        registrar.transport.lose()
        assert registrar.events() == []
        assert registrar.state() is State.IDLE
        assert registrar.scene.restless() == []

    def test_anAnswerThatComesAfterItIsStale(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        request = registrar.take()
        registrar.transport.lose()
        registrar.transport.open()
        registrar.accept(request)
        assert registrar.state() is State.REGISTERING
        registrar.accept()
        assert registrar.state() is State.REGISTERED


class TestUnregister:
    def test_removesTheBinding(self, registrar: Registrar) -> None:
        first = registrar.register()
        got = outcome(registrar.scene.ua.unregister())
        request = registrar.take()
        assert request.parseHeader("Contact").expires == 0
        assert request.parseHeader("Contact").uri == first.parseHeader("Contact").uri
        assert request.parseHeader("Expires") == 0
        assert (request.callID, request.cseq) == (first.callID, 2)
        assert got == []
        registrar.transport.answer(request, 200)
        assert got == [None]
        assert registrar.events() == [("unregistered", 200, None)]
        assert registrar.scene.restless() == []

    def test_isNotUndoneByAReconnection(self, registrar: Registrar) -> None:
        registrar.register()
        outcome(registrar.registration.unregister())
        registrar.transport.answer(registrar.take(), 200)
        registrar.transport.lose()
        registrar.transport.open()
        assert registrar.transport.sent == []

    def test_isOverAtOnceWhereThereIsNothingToRemove(self, registrar: Registrar) -> None:
        assert outcome(registrar.registration.unregister()) == [None]
        registrar.scene.connect()
        assert outcome(registrar.registration.unregister()) == [None]
        assert registrar.transport.sent == []
        assert registrar.events() == []

    @pytest.mark.parametrize(
        ("status", "cause"), [(403, REJECTED), (503, SIP_FAILURE_CODE), (423, SIP_FAILURE_CODE)]
    )
    def test_isOverWhateverIsAnswered(self, registrar: Registrar, status: int, cause: str) -> None:
        registrar.register()
        got = outcome(registrar.registration.unregister())
        registrar.transport.answer(registrar.take(), status, [("Min-Expires", 5)])
        assert got == [None]
        assert registrar.events() == [("unregistered", status, cause)]
        assert registrar.scene.restless() == []

    def test_isOverWhenALongerTimeIsAskedFor(self, registrar: Registrar) -> None:
        registrar.register()
        got = outcome(registrar.registration.unregister())
        registrar.refuse(423, ("Min-Expires", 1800))
        assert got == [None]
        assert registrar.transport.sent == []
        assert registrar.events() == [("unregistered", 423, SIP_FAILURE_CODE)]

    def test_doesNotMakeALongerBindingFirst(self, registrar: Registrar) -> None:
        registrar.register()
        registrar.wait()
        got = outcome(registrar.registration.unregister())
        registrar.refuse(423, ("Min-Expires", 1800))
        removal = registrar.take()
        assert removal.parseHeader("Expires") == 0
        registrar.transport.answer(removal, 200)
        assert got == [None]

    def test_registerUndoesItWhateverIsAnswered(self, registrar: Registrar) -> None:
        registrar.register()
        got = outcome(registrar.registration.unregister())
        registrar.registration.register()
        registrar.refuse(423, ("Min-Expires", 1800))
        assert got == [None]
        registrar.accept()
        assert registrar.isRegistered()

    def test_aBindingThatExpiresMeanwhileIsToldOfOnce(self, registrar: Registrar) -> None:
        registrar.register(expires=20)
        registrar.wait()
        request = registrar.take()
        got = outcome(registrar.registration.unregister())
        registrar.transport.answer(request, 503)
        removal = registrar.take()
        registrar.registration.register()
        registrar.wait()
        assert registrar.events() == [("unregistered", None, EXPIRES)]
        registrar.transport.answer(removal, 200)
        assert got == [None]
        registrar.accept()
        assert registrar.events() == [("registered", 200)]

    def test_isOverWhenNothingIsAnswered(self, registrar: Registrar) -> None:
        registrar.register()
        got = outcome(registrar.registration.unregister())
        registrar.scene.clock.advance(32)
        assert got == [None]
        assert registrar.events() == [("unregistered", None, REQUEST_TIMEOUT)]

    def test_isOverWhenTheConnectionIsLost(self, registrar: Registrar) -> None:
        registrar.register()
        got = outcome(registrar.registration.unregister())
        registrar.transport.lose()
        assert got == [None]
        assert registrar.events() == [("unregistered", None, CONNECTION_ERROR)]

    def test_waitsForARegisterThatIsOut(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        request = registrar.take()
        got = outcome(registrar.registration.unregister())
        assert registrar.transport.sent == []
        registrar.accept(request)
        removal = registrar.take()
        assert removal.parseHeader("Expires") == 0
        registrar.transport.answer(removal, 200)
        assert got == [None]
        assert registrar.state() is State.IDLE

    def test_whereThatIsRefusedThereIsNothingToRemove(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        got = outcome(registrar.registration.unregister())
        registrar.refuse(403)
        assert got == [None]
        assert registrar.transport.sent == []
        assert registrar.state() is State.IDLE

    def test_whereThatIsNotAnsweredThereMayBe(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        registrar.take()
        registrar.scene.clock.advance(32)
        got = outcome(registrar.registration.unregister())
        assert registrar.take().parseHeader("Expires") == 0
        registrar.scene.clock.advance(32)
        assert got == [None]

    def test_afterARefusalThereIsNothingToRemove(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        registrar.refuse(403)
        assert outcome(registrar.registration.unregister()) == [None]
        assert registrar.transport.sent == []
        assert registrar.scene.restless() == []

    def test_whatAnEarlierConnectionHadIsGone(self, registrar: Registrar) -> None:
        registrar.register()
        registrar.transport.lose()
        registrar.transport.open()
        registrar.refuse(403)
        assert outcome(registrar.registration.unregister()) == [None]
        assert registrar.transport.sent == []

    def test_whatTheRegistrarHasTakenAwayIsGone(self, registrar: Registrar) -> None:
        registrar.register()
        registrar.wait()
        registrar.accept(expires=0)
        assert outcome(registrar.registration.unregister()) == [None]
        assert registrar.transport.sent == []

    def test_aRefusedRefreshDoesNotKeepItFromRemoving(self, registrar: Registrar) -> None:
        registrar.register()
        registrar.wait()
        registrar.refuse(503)
        outcome(registrar.registration.unregister())
        assert registrar.take().parseHeader("Expires") == 0

    def test_registerUndoesIt(self, registrar: Registrar) -> None:
        registrar.register()
        got = outcome(registrar.registration.unregister())
        removal = registrar.take()
        registrar.registration.register()
        assert registrar.transport.sent == []
        registrar.transport.answer(removal, 200)
        assert got == [None]
        registrar.accept()
        assert registrar.events() == [("unregistered", 200, None), ("registered", 200)]

    def test_registerUndoesItBeforeTheRemovalIsOut(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        request = registrar.take()
        got = outcome(registrar.registration.unregister())
        registrar.registration.register()
        assert got == [None]
        registrar.accept(request)
        assert registrar.state() is State.REGISTERED

    def test_itMayBeAskedForAgain(self, registrar: Registrar) -> None:
        registrar.register()
        first = outcome(registrar.registration.unregister())
        registrar.registration.register()
        second = outcome(registrar.registration.unregister())
        registrar.transport.answer(registrar.take(), 200)
        assert (first, second) == ([None], [None])
        assert registrar.state() is State.IDLE


class TestStop:
    def test_unregistersAndThenDisconnects(self, registrar: Registrar) -> None:
        registrar.register()
        got = outcome(registrar.scene.ua.stop())
        assert not registrar.transport.isClosed()
        request = registrar.take()
        assert request.parseHeader("Expires") == 0
        registrar.transport.answer(request, 200)
        assert registrar.transport.isClosed()
        assert got == [None]
        assert registrar.events() == [("unregistered", 200, None)]
        assert registrar.scene.restless() == []

    def test_answersAChallengeToThat(self, registrar: Registrar) -> None:
        registrar.register()
        got = outcome(registrar.scene.ua.stop())
        registrar.refuse(401, *[("WWW-Authenticate", one) for one in registrar.verifier.makeChallenges()])
        request = registrar.take()
        assert request.hasHeader("Authorization")
        registrar.transport.answer(request, 200)
        assert got == [None]

    def test_isBoundedWhereTheRegistrarIsSilent(self, registrar: Registrar) -> None:
        registrar.register()
        got = outcome(registrar.scene.ua.stop())
        registrar.scene.clock.advance(5)
        assert got == [None]
        assert registrar.transport.isClosed()
        assert registrar.scene.restless() == []
        assert registrar.events() == [("unregistered", None, CONNECTION_ERROR)]

    def test_whileWaitingToTryAgainLeavesNothing(self, registrar: Registrar) -> None:
        registrar.scene.connect()
        registrar.refuse(503)
        assert outcome(registrar.scene.ua.stop()) == [None]
        assert registrar.scene.restless() == []

    def test_afterIt_startRegistersAgain(self, registrar: Registrar) -> None:
        registrar.register()
        registrar.scene.ua.stop()
        registrar.transport.answer(registrar.take(), 200)
        registrar.scene.connect()
        registrar.accept()
        assert registrar.isRegistered()

    def test_whileTheConnectionIsDownIsAtOnce(self, registrar: Registrar) -> None:
        registrar.register()
        registrar.transport.lose()
        assert outcome(registrar.scene.ua.stop()) == [None]
        assert registrar.scene.restless() == []


class TestWhenRegistered:
    def test_firesWithTheBinding(self, registrar: Registrar) -> None:
        got = outcome(registrar.scene.ua.whenRegistered())
        registrar.scene.connect()
        assert got == []
        registrar.accept()
        assert got == [None]
        assert outcome(registrar.scene.ua.whenRegistered()) == [None]

    def test_failsAfterAsManyFailuresAsAskedFor(self, registrar: Registrar) -> None:
        once = outcome(registrar.scene.ua.whenRegistered(1))
        twice = outcome(registrar.scene.ua.whenRegistered(2))
        ever = outcome(registrar.scene.ua.whenRegistered())
        registrar.scene.connect()
        registrar.refuse(403)
        assert isinstance(once[0], RegistrationError)
        assert once[0].response is not None
        assert once[0].response.statusCode == 403
        assert "403" in str(once[0])
        registrar.scene.clock.advance(30)
        registrar.scene.clock.advance(32)
        assert isinstance(twice[0], RegistrationError)
        assert (twice[0].response, ever) == (None, [])
        assert REQUEST_TIMEOUT in str(twice[0])
        registrar.scene.ua.stop()
        registrar.scene.clock.advance(5)
        assert isinstance(ever[0], NotConnected)


class TestWhateverHappens:
    """Random walks: whatever registrar, connection and user do in whatever order."""

    STATUSES = (100, 200, 200, 200, 301, 401, 403, 408, 423, 500, 503, 603)
    VALUES = ("0", "1", "30", "600", "7200", "4294967295", "-1", "soon", "")
    STEPS = ("answer", "answer", "answer", "wait", "wait", "lose", "open", "register", "unregister")

    def walk(self, seed: int) -> None:
        random = Random(seed)
        registrar = Registrar(seed=seed)
        scene = registrar.scene
        scene.connect()
        cseq, sent = 0, 0
        settled: list[list[Any]] = []
        out: list[IncomingRequest] = []
        for _ in range(60):
            step = random.choice(self.STEPS)
            if step == "answer" and out:
                self.answer(registrar, random, out.pop(random.randrange(len(out))))
            elif step == "wait":
                scene.clock.advance(random.choice((0.1, 1, 5, 40, 400)))
            elif step == "lose" and registrar.transport.connected:
                registrar.transport.lose()
            elif step == "open" and not registrar.transport.connected:
                registrar.transport.open()
            elif step == "register":
                registrar.registration.register()
            elif step == "unregister":
                settled.append(outcome(registrar.registration.unregister()))
            for request in registrar.transport.takeAll():
                # RFC 3261 section 10.2: one after the other, under a rising number.
                assert request.cseq > cseq
                cseq = request.cseq
                out.append(request)
                sent += 1
            assert len(scene.ua.transactions) <= 1
            # Those of the transaction, of the next REGISTER, and of the binding's end.
            assert len(scene.restless()) <= 3
            assert registrar.transport.connected or not scene.restless()
            assert registrar.transport.connected or not registrar.isRegistered()
        # Some for each step, and not ever more.
        assert sent <= 100
        scene.ua.stop()
        scene.clock.advance(5)
        assert all(one == [None] for one in settled)
        assert scene.restless() == []

    def answer(self, registrar: Registrar, random: Random, request: IncomingRequest) -> None:
        contact = request.getHeaders("Contact")[0]
        headers: list[tuple[str, object]] = []
        if random.random() < 0.8:
            expires = random.choice(self.VALUES)
            headers.append(("Contact", re.sub("expires=[0-9]+", f"expires={expires}", contact)))
        for name in ("Expires", "Min-Expires", "Retry-After"):
            if random.random() < 0.4:
                headers.append((name, random.choice(self.VALUES)))
        if random.random() < 0.7:
            challenges = registrar.verifier.makeChallenges(stale=random.random() < 0.5)
            headers += [("WWW-Authenticate", challenge) for challenge in challenges]
        registrar.transport.answer(request, random.choice(self.STATUSES), headers)

    def test_thereIsNoStormNoLeftoverAndOneRegisterAtATime(self) -> None:
        for seed in range(300):
            self.walk(seed)


class TestTable:
    def test_namesNothingThatIsNotThere(self) -> None:
        for actions, _ in TABLE.values():
            for action in actions:
                assert callable(getattr(Registration, f"_{action}"))

    def test_whatSendsIsTheLastThatIsDone(self) -> None:
        """What is sent may fail at once, and that is the next event: nothing may follow."""
        for row, (actions, _) in TABLE.items():
            for action in actions[:-1]:
                assert action not in ("send", "remove"), row

    def test_aRegisterIsOutWhereverOneIsSaidToBe(self) -> None:
        for row, (actions, state) in TABLE.items():
            out = {
                State.REGISTERING,
                State.WITHDRAWING,
                State.UNREGISTERING,
                State.RESTORING,
                State.MOVING,
            }
            sends = bool({"send", "remove"} & set(actions))
            entersFromRest = row[0] not in out and state in out
            answered = row[1] in (Event.ACCEPTED, Event.BRIEF, Event.REFUSED)
            if entersFromRest or (answered and state in out):
                assert sends, row
            else:
                assert not sends or row[0] not in out, row

    def test_everyStateCanBeLeftByTheLossOfTheConnection(self) -> None:
        for state in State:
            if state is not State.IDLE:
                actions, target = TABLE[state, Event.LOST]
                assert target is State.IDLE
                assert "abandon" in actions

    #: What is ignored, and why that is right.
    IGNORED = {
        (State.IDLE, Event.ACCEPTED): "answers to a REGISTER of a lost connection are stale",
        (State.IDLE, Event.BRIEF): "the same",
        (State.IDLE, Event.REFUSED): "the same",
        (State.IDLE, Event.DUE): "no timer runs",
        (State.IDLE, Event.EXPIRED): "no timer runs",
        (State.IDLE, Event.LOST): "there is nothing to lose",
        (State.REGISTERING, Event.WANTED): "it is being done",
        (State.REGISTERING, Event.DUE): "the timer has fired, or was cancelled",
        (State.REGISTERED, Event.ACCEPTED): "no REGISTER is out",
        (State.REGISTERED, Event.BRIEF): "no REGISTER is out",
        (State.REGISTERED, Event.REFUSED): "no REGISTER is out",
        (State.WAITING, Event.ACCEPTED): "no REGISTER is out",
        (State.WAITING, Event.BRIEF): "no REGISTER is out",
        (State.WAITING, Event.REFUSED): "no REGISTER is out",
        (State.WITHDRAWING, Event.UNWANTED): "it is being done",
        (State.WITHDRAWING, Event.DUE): "no timer runs",
        (State.UNREGISTERING, Event.UNWANTED): "it is being done",
        (State.UNREGISTERING, Event.DUE): "no timer runs",
        (State.RESTORING, Event.WANTED): "it is being done",
        (State.RESTORING, Event.DUE): "no timer runs",
        (State.IDLE, Event.MOVE): "there is nothing to move",
        (State.REGISTERING, Event.MOVE): "the moment is not quiet",
        (State.WITHDRAWING, Event.MOVE): "the moment is not quiet",
        (State.UNREGISTERING, Event.MOVE): "the moment is not quiet",
        (State.RESTORING, Event.MOVE): "the moment is not quiet",
        (State.WAITING, Event.MOVE): "the registrar is not to be asked yet",
        (State.MOVING, Event.MOVE): "it is being done",
        (State.MOVING, Event.WANTED): "it is being done",
        (State.MOVING, Event.DUE): "no timer runs",
        (State.IDLE, Event.LEFT): "there is no new connection",
        (State.REGISTERING, Event.LEFT): "there is no new connection",
        (State.REGISTERED, Event.LEFT): "there is no new connection",
        (State.WAITING, Event.LEFT): "there is no new connection",
        (State.WITHDRAWING, Event.LEFT): "there is no new connection",
        (State.UNREGISTERING, Event.LEFT): "there is no new connection",
        (State.RESTORING, Event.LEFT): "there is no new connection",
    }

    def test_whatItDoesNotListIsIgnoredOnPurpose(self) -> None:
        pairs = {(state, event) for state in State for event in Event}
        assert pairs - set(TABLE) == set(self.IGNORED)


@pytest.mark.parametrize(
    ("status", "cause"),
    [(486, BUSY), (600, BUSY), (410, UNAVAILABLE), (604, NOT_FOUND), (407, AUTHENTICATION_ERROR)],
)
def test_causesAreThoseOfSIPjs(status: int, cause: str) -> None:
    assert causeOfStatus(status) == cause


def test_anErrorThatIsNoneOfOursIsInternal() -> None:
    assert causeOfError(ValueError("x")) == INTERNAL_ERROR
