"""The basic call flows of RFC 3665: each figure of section 3, and those of section 2."""

from __future__ import annotations

from typing import Any

from sipws.session import Cause
from tests.flows.figure import ANSWER, OFFER, Flow
from tests.ua.fakes import outcome

CHALLENGE = 'Digest realm="{}", nonce="f84f1cec41e6cbe5aea9c8e88d359", qop="auth", algorithm=MD5'


class TestSessions:
    def test_3_1_successfulSessionEstablishment(self) -> None:
        flow = Flow("alice", "bob")
        alice = flow.call("alice", "bob")
        flow.see("alice -> bob    INVITE (sdp)")
        bob = flow.calls["bob"]
        bob.progress(180)
        flow.see("alice <- bob    180 INVITE")
        bob.accept(ANSWER)
        flow.see("""
            alice <- bob    200 INVITE (sdp)
            alice -> bob    ACK
        """)
        assert alice.state == bob.state == "confirmed"
        bob.bye()
        flow.see("""
            alice <- bob    BYE
            alice -> bob    200 BYE
        """)
        assert [each[0].cause for each in flow.endings.values()] == [Cause.HUNG_UP] * 2
        flow.over()

    def test_3_2_throughTwoProxies(self) -> None:
        flow = Flow("alice", "bob", proxies=2)
        alice = flow.call("alice", "bob")
        flow.see("""
            alice -> proxy    INVITE (sdp)
            alice <- proxy    100 INVITE
        """)
        invite = flow._requests["alice", "INVITE"]
        flow._carry(invite, "bob")
        bob = flow.calls["bob"]
        bob.progress(180)
        bob.accept(ANSWER)
        flow.see("""
            alice <- bob    180 INVITE
            alice <- bob    200 INVITE (sdp)
        """)
        (ack,) = flow.see("alice -> bob    ACK")
        # F15: through both, in the order in which the INVITE has passed them.
        routes = ["<sip:ss1.example.com;lr>", "<sip:ss2.example.com;lr>"]
        assert ack.getHeaders("Route") == routes
        bob.bye()
        bye, _ = flow.see("""
            alice <- bob    BYE
            alice -> bob    200 BYE
        """)
        assert bye.getHeaders("Route") == routes[::-1]
        assert alice.state == "terminated"
        flow.over()

    def test_3_3_withMultipleProxyAuthentication(self) -> None:
        flow = Flow("alice", "bob", authorizationUser="alice", password="zanzibar")
        alice = flow.call("alice", "bob")
        flow.headers[407] = [("Proxy-Authenticate", CHALLENGE.format("biloxi.example.com"))]
        first, _, _, second, *_ = flow.see("""
            alice -> proxy    INVITE (sdp)
            alice <- proxy    407 INVITE
            alice -> proxy    ACK
            alice -> proxy    INVITE (sdp)
            alice <- proxy    100 INVITE
        """)
        assert second.cseq == first.cseq + 1
        # The second proxy has a realm of its own: both get their credentials.
        flow.headers[407] = [("Proxy-Authenticate", CHALLENGE.format("atlanta.example.com"))]
        _, _, third = flow.see("""
            alice <- proxy    407 INVITE
            alice -> proxy    ACK
            alice -> bob      INVITE (sdp)
        """)
        realms = [
            value.split('realm="')[1].split('"')[0] for value in third.getHeaders("Proxy-Authorization")
        ]
        assert sorted(realms) == ["atlanta.example.com", "biloxi.example.com"]
        flow.calls["bob"].accept(ANSWER)
        _, ack = flow.see("""
            alice <- bob      200 INVITE (sdp)
            alice -> bob      ACK
        """)
        # F21: the ACK has the credentials of the INVITE.
        assert len(ack.getHeaders("Proxy-Authorization")) == 2
        alice.bye()
        flow.see("""
            alice -> bob      BYE
            alice <- bob      200 BYE
        """)
        flow.over()

    def test_3_4_withProxyFailure(self) -> None:
        # The first proxy does not answer; the caller's own choice is to call again, by another.
        flow = Flow("alice", "bob")
        alice = flow.call("alice", "bob")
        failed = outcome(alice.whenAccepted())
        flow.see("alice -> proxy    INVITE (sdp)")
        flow.advance(32)
        assert failed[0].cause == Cause.TIMEOUT
        flow.establish("alice", "bob")
        flow.calls["alice"].bye()
        flow.see("""
            alice -> bob    BYE
            alice <- bob    200 BYE
        """)
        flow.over()

    def test_3_5_throughAnALG(self) -> None:
        # The gateway record-routes, too, and the Contact stays as it is.
        flow = Flow("alice", "bob", proxies=1)
        flow.establish("alice", "bob")
        flow.calls["alice"].bye()
        bye, _ = flow.see("""
            alice -> bob    BYE
            alice <- bob    200 BYE
        """)
        assert bye.getHeaders("Route") == ["<sip:ss1.example.com;lr>"]
        flow.over()

    def test_3_6_viaRedirectAndProxyServersWithSDPInACK(self) -> None:
        flow = Flow("alice", "bob")
        alice = flow.call("alice", "bob", body="", followRedirects=1)
        alice.on("offer", lambda offer: offer.accept(ANSWER))
        flow.headers[302] = [("Contact", "<sip:bob@chicago.example.com;transport=ws>")]
        *_, invite = flow.see("""
            alice -> proxy    INVITE
            alice <- proxy    302 INVITE
            alice -> proxy    ACK
            alice -> bob      INVITE
        """)
        assert invite.requestURIText == "sip:bob@chicago.example.com;transport=ws"
        bob = flow.calls["bob"]
        bob.progress(180)
        bob.accept(OFFER)
        flow.see("""
            alice <- bob      180 INVITE
            alice <- bob      200 INVITE (sdp)
            alice -> bob      ACK (sdp)
        """)
        assert bob.remoteDescription is not None
        assert bob.remoteDescription.body == ANSWER.encode()
        bob.bye()
        flow.see("""
            alice <- bob      BYE
            alice -> bob      200 BYE
        """)
        flow.over()

    def test_3_7_withReinviteForAChangeOfAddress(self) -> None:
        flow = Flow("alice", "bob")
        alice, bob = flow.establish("alice", "bob")
        bob.reinvite(OFFER.replace("offerer.invalid", "192.0.2.103").replace(" 1 1 ", " 1 2 "))
        flow.see("""
            alice <- bob    INVITE (192.0.2.103)
            alice -> bob    200 INVITE (sdp)
            alice <- bob    ACK
        """)
        assert alice.remoteDescription is not None
        assert b"192.0.2.103" in alice.remoteDescription.body
        bob.bye()
        flow.see("""
            alice <- bob    BYE
            alice -> bob    200 BYE
        """)
        flow.over()

    def test_3_8_unsuccessfulNoAnswer(self) -> None:
        flow = Flow("alice", "bob")
        flow.call("alice", "bob", noAnswerTimeout=20)
        flow.see("alice -> bob    INVITE (sdp)")
        flow.calls["bob"].progress(180)
        flow.see("alice <- bob    180 INVITE")
        flow.advance(20)
        flow.see("""
            alice -> bob    CANCEL
            alice <- bob    200 CANCEL
            alice <- bob    487 INVITE
            alice -> bob    ACK
        """)
        assert flow.endings["alice"][0].cause == Cause.NO_ANSWER
        assert flow.endings["bob"][0].cause == Cause.CANCELLED
        flow.over()

    def test_3_9_unsuccessfulBusy(self) -> None:
        self.refused(486)

    def test_3_10_unsuccessfulNoResponseFromUserAgent(self) -> None:
        # The proxy gives up, with 408, after its INVITEs went unanswered.
        flow = Flow("alice")
        alice = flow.call("alice", "bob")
        failed = outcome(alice.whenAccepted())
        flow.see("""
            alice -> proxy    INVITE (sdp)
            alice <- proxy    100 INVITE
        """)
        flow.advance(40)
        flow.see("""
            alice <- proxy    408 INVITE
            alice -> proxy    ACK
        """)
        assert failed[0].statusCode == 408
        flow.over()

    def test_3_11_unsuccessfulTemporarilyUnavailable(self) -> None:
        self.refused(480)

    def refused(self, statusCode: int) -> None:
        flow = Flow("alice", "bob")
        alice = flow.call("alice", "bob")
        failed = outcome(alice.whenAccepted())
        flow.see("alice -> bob    INVITE (sdp)")
        flow.calls["bob"].progress(180)
        flow.calls["bob"].reject(statusCode)
        flow.see(f"""
            alice <- bob    180 INVITE
            alice <- bob    {statusCode} INVITE
            alice -> bob    ACK
        """)
        assert failed[0].statusCode == statusCode
        flow.over()


class TestRegistrations:
    """Section 2: with the server in the hands of the test."""

    def start(self, **options: Any) -> Flow:
        options = {"register": True, "authorizationUser": "bob", "password": "zanzibar", **options}
        return Flow("bob", **options)

    def registered(self, flow: Flow) -> bool:
        return flow.agents["bob"].registration.registered

    def register(self, flow: Flow, expires: int = 600) -> Any:
        """See a REGISTER go through, and give it."""
        (request,) = flow.see("bob -> registrar    REGISTER")
        contact = f"{request.getHeader('Contact').partition(';expires=')[0]};expires={expires}"
        flow.headers[200] = [("Contact", contact)] if expires else []
        flow.see("bob <- registrar    200 REGISTER")
        return request

    def test_2_1_successfulNewRegistration(self) -> None:
        flow = self.start()
        flow.headers[401] = [("WWW-Authenticate", CHALLENGE.format("atlanta.example.com"))]
        first, _ = flow.see("""
            bob -> registrar    REGISTER
            bob <- registrar    401 REGISTER
        """)
        assert not first.hasHeader("Authorization")
        second = self.register(flow)
        assert (second.callID, second.cseq) == (first.callID, first.cseq + 1)
        assert second.hasHeader("Authorization")
        assert self.registered(flow)

    def test_2_2_updateOfContactList(self) -> None:
        flow = self.start()
        first = self.register(flow, 100)
        flow.advance(90)
        # The same Contact, with the next CSeq of the same Call-ID.
        (second,) = flow.see("bob -> registrar    REGISTER")
        assert (second.callID, second.getHeader("Contact")) == (first.callID, first.getHeader("Contact"))
        assert second.cseq == first.cseq + 1

    def test_2_3_requestForCurrentContactList(self) -> None:
        flow = self.start(register=False)
        result = outcome(flow.agents["bob"].request("REGISTER", "sip:example.com", []))
        (request,) = flow.see("bob -> registrar    REGISTER")
        flow.headers[200] = [("Contact", "<sip:bob@client.example.com>;expires=60")]
        flow.see("bob <- registrar    200 REGISTER")
        assert request.method == "REGISTER"
        assert result[0].getHeaders("Contact") == ["<sip:bob@client.example.com>;expires=60"]

    def test_2_4_cancellationOfRegistration(self) -> None:
        flow = self.start()
        self.register(flow)
        flow.agents["bob"].stop()
        request = self.register(flow, 0)
        assert "expires=0" in request.getHeader("Contact") or request.getHeader("Expires") == "0"
        assert not self.registered(flow)

    def test_2_5_unsuccessfulRegistration(self) -> None:
        flow = self.start()
        flow.headers[401] = [("WWW-Authenticate", CHALLENGE.format("atlanta.example.com"))]
        flow.see("""
            bob -> registrar    REGISTER
            bob <- registrar    401 REGISTER
            bob -> registrar    REGISTER
            bob <- registrar    401 REGISTER
        """)
        assert not self.registered(flow)
        flow.nothing()
