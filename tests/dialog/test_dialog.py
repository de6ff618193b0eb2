"""RFC 3261 section 12, sentence by sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipws.dialog import Dialog, DialogID, Effect, Rejection, State, effectOf
from sipws.errors import ParseError
from sipws.message import URI, IncomingRequest, OutgoingResponse, Replaces
from tests.dialog.messages import (
    ALICE_CONTACT,
    BOB,
    BOB_CONTACT,
    BOB_TAG,
    CALL_ID,
    received,
    request,
    response,
)

P1, P2, P3 = "<sip:p1.example.com;lr;x=1>;y=2", "<sip:p2.example.com;lr>", "<sips:p3.example.com;lr>"
RECORDED = (("Record-Route", f"{P1}, {P2}"), ("Record-Route", P3))


def uac(code: int = 200, **more: object) -> Dialog:
    return Dialog.ofResponse(response(code, **more), ALICE_CONTACT)  # type: ignore[arg-type]


def uas(code: int = 200, ours: str = BOB_CONTACT, *, overTLS: bool = False, **more: object) -> Dialog:
    return answered(request(**more), code, ours, overTLS=overTLS)  # type: ignore[arg-type]


def answered(
    incoming: IncomingRequest, code: int = 200, ours: str = BOB_CONTACT, *, overTLS: bool = False
) -> Dialog:
    answer = OutgoingResponse(incoming, code, headers=[("Contact", ours)], toTag=BOB_TAG)
    return Dialog.ofRequest(incoming, answer, overTLS=overTLS)


def theirs(method: str, cseq: int, contact: str | None = ALICE_CONTACT) -> IncomingRequest:
    return request(method, cseq, to=f"{BOB};tag={BOB_TAG}", contact=contact)


class TestCreation:
    def test_the_state_that_a_UAS_constructs(self) -> None:
        state = uas(headers=RECORDED).state
        assert state.id == DialogID(CALL_ID, BOB_TAG, "9fxced76sl")
        assert (state.remoteCSeq, state.localCSeq) == (1, None)
        assert state.routeSet == (P1, P2, P3)
        assert str(state.remoteTarget) == "sip:alice@client.atlanta.example.com;transport=tcp"
        assert (str(state.localAddress.uri), state.localAddress.tag) == (
            "sip:bob@biloxi.example.com",
            BOB_TAG,
        )
        assert str(state.remoteAddress.uri) == "sip:alice@atlanta.example.com"
        assert (state.secure, state.isUAC) == (False, False)

    def test_the_state_that_a_UAC_constructs(self) -> None:
        state = uac(headers=RECORDED).state
        assert state.id == DialogID(CALL_ID, "9fxced76sl", BOB_TAG)
        assert (state.remoteCSeq, state.localCSeq) == (None, 1)
        assert state.routeSet == (P3, P2, P1)
        assert str(state.remoteTarget) == "sip:bob@client.biloxi.example.com;transport=tcp"
        assert str(state.remoteAddress.uri) == "sip:bob@biloxi.example.com"
        assert (state.secure, state.isUAC) == (False, True)

    def test_without_Record_Route_the_route_set_is_empty(self) -> None:
        assert uac().state.routeSet == uas().state.routeSet == ()

    def test_missing_tags_are_null_and_stay_out(self) -> None:
        ofUAC = uac(tag=None)
        assert ofUAC.id.remoteTag is None
        assert "tag" not in (ofUAC.request("BYE").getHeader("To") or "")
        ofUAS = uas(sender="<sip:alice@atlanta.example.com>")
        assert ofUAS.id.remoteTag is None
        assert "tag" not in (ofUAS.request("BYE").getHeader("To") or "")

    @pytest.mark.parametrize("overTLS", [False, True])
    @pytest.mark.parametrize("uri", ["sip:bob@biloxi.example.com", "sips:bob@biloxi.example.com"])
    def test_secure_is_a_SIPS_URI_over_TLS(self, uri: str, *, overTLS: bool) -> None:
        dialog = uas(ours="<sips:bob@b.example.com>", uri=uri, overTLS=overTLS)
        assert dialog.state.secure == (overTLS and uri.startswith("sips:"))

    @pytest.mark.parametrize(
        "more",
        [
            {"uri": "sips:bob@biloxi.example.com"},
            {"contact": "<sips:alice@a.example.com>"},
            {"headers": (("Record-Route", P3),)},
        ],
    )
    def test_who_asks_by_SIPS_gets_a_SIPS_Contact(self, more: dict[str, object]) -> None:
        with pytest.raises(ValueError, match="SIPS"):
            uas(**more)  # type: ignore[arg-type]
        assert uas(ours="<sips:bob@b.example.com>", **more).state.state == State.CONFIRMED  # type: ignore[arg-type]

    def test_a_SIPS_Contact_does_not_count_beside_a_Record_Route(self) -> None:
        assert uas(ours=BOB_CONTACT, headers=(("Record-Route", P1),)).state.state == State.CONFIRMED

    def test_a_response_that_establishes_has_Contact_and_tag(self) -> None:
        incoming = request()
        with pytest.raises(ValueError, match="Contact"):
            Dialog.ofRequest(incoming, OutgoingResponse(incoming, 200, toTag="t"))
        with pytest.raises(ValueError, match="Contact"):
            uas(ours="<tel:+1234>")
        with pytest.raises(ValueError, match="To tag"):
            Dialog.ofRequest(incoming, OutgoingResponse(incoming, 200, headers=[("Contact", BOB_CONTACT)]))

    def test_what_lacks_a_Contact_makes_none(self) -> None:
        with pytest.raises(ParseError, match="Contact"):
            answered(request(contact=None))
        with pytest.raises(ParseError, match="Contact"):
            uac(contact=None)

    def test_a_provisional_response_may_lack_it(self) -> None:
        dialog = uac(180, contact=None)
        with pytest.raises(ValueError, match="remote target"):
            dialog.request("PRACK")
        dialog.receiveResponse(response(183))
        assert str(dialog.request("PRACK").requestURI) == "sip:bob@client.biloxi.example.com;transport=tcp"

    def test_what_is_malformed_makes_none(self) -> None:
        with pytest.raises(ParseError):
            uac(headers=(("Record-Route", "sip:bare@example.com"),))


class TestRequests:
    def test_the_headers_are_the_dialogs(self) -> None:
        sent = received(uac(headers=RECORDED).request("INFO", [("X-Y", "z")], b"body"))
        assert sent.callID == CALL_ID
        assert (sent.fromTag, sent.toTag) == ("9fxced76sl", BOB_TAG)
        assert (sent.cseq, sent.cseqMethod) == (2, "INFO")
        assert sent.getHeaders("Route") == [P3, P2, P1]
        assert sent.requestURIText == "sip:bob@client.biloxi.example.com;transport=tcp"
        assert (sent.getHeader("X-Y"), sent.body) == ("z", b"body")
        assert not sent.hasHeader("Contact")

    def test_loose_routing(self) -> None:
        assert [str(v) for v in uac(headers=(("Record-Route", P1),)).request("BYE").getHeaders("Route")] == [
            P1
        ]

    def test_the_RFCs_example_of_strict_routing(self) -> None:
        routes = "<sip:proxy4>,<sip:proxy3;lr>,<sip:proxy2>,<sip:proxy1>"
        sent = uac(contact="<sip:user@remoteua>", headers=(("Record-Route", routes),)).request("BYE")
        assert str(sent.requestURI) == "sip:proxy1"
        assert sent.getHeaders("Route") == [
            "<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>", "<sip:user@remoteua>"
        ]  # fmt: skip

    def test_a_Request_URI_is_stripped_of_what_it_may_not_have(self) -> None:
        strict = uac(headers=(("Record-Route", "<sip:p;method=BYE;x=1?Subject=a>"),)).request("BYE")
        assert str(strict.requestURI) == "sip:p;x=1"
        direct = uac(contact="<sip:bob@b;method=INVITE?Subject=a>").request("BYE")
        assert str(direct.requestURI) == "sip:bob@b"

    def test_target_refresh_requests_have_our_Contact(self) -> None:
        dialog = uac()
        assert dialog.request("INVITE").getHeaders("Contact") == [ALICE_CONTACT]
        assert dialog.request("UPDATE", [("m", "<sip:n@n>")]).getHeaders("Contact") == ["<sip:n@n>"]

    def test_in_a_secure_dialog_it_is_a_SIPS_URI(self) -> None:
        with pytest.raises(ValueError, match="SIPS"):
            Dialog.ofResponse(response(200), ALICE_CONTACT, secure=True)
        dialog = Dialog.ofResponse(response(200), "<sips:a@a>", secure=True)
        with pytest.raises(ValueError, match="SIPS"):
            dialog.request("INVITE", [("Contact", "<sip:a@a>")])
        assert dialog.state.localCSeq == 1
        assert dialog.request("INVITE").getHeader("Contact") == "<sips:a@a>"

    def test_an_ACK_has_the_number_of_its_INVITE(self) -> None:
        dialog = uac()
        dialog.request("INFO")
        assert dialog.ack(1).getHeader("CSeq") == "1 ACK"
        assert dialog.state.localCSeq == 2

    @pytest.mark.parametrize("method", ["ACK", "CANCEL"])
    def test_what_has_no_number_of_its_own_is_not_built_with_one(self, method: str) -> None:
        with pytest.raises(ValueError, match=method):
            uac().request(method)

    @pytest.mark.parametrize("name", ["Via", "from", "t", "Call-ID", "CSeq", "Route"])
    def test_what_follows_from_the_dialog_is_not_a_callers(self, name: str) -> None:
        with pytest.raises(ValueError, match=name):
            uac().request("BYE", [(name, "x")])

    def test_in_a_dialog_that_is_terminated_nothing_is_sent(self) -> None:
        dialog = uac()
        dialog.end()
        with pytest.raises(ValueError, match="terminated"):
            dialog.request("BYE")

    def test_the_numbers_do_not_wrap_around(self) -> None:
        dialog = uac(cseq=2**32 - 1)
        with pytest.raises(ValueError, match="CSeq"):
            dialog.request("BYE")

    @given(
        st.lists(st.sampled_from(["INFO", "INVITE", "BYE", "ack"]), max_size=20), st.integers(0, 2**31 - 1)
    )
    def test_the_numbers_increase_by_one(self, methods: list[str], first: int) -> None:
        dialog = uac(cseq=first)
        sent = [dialog.request(method).cseq for method in methods if method != "ack" or not dialog.ack(first)]
        assert sent == list(range(first + 1, first + 1 + len(sent)))

    @given(st.lists(st.tuples(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.booleans()), max_size=6))
    def test_every_hop_is_gone_through_once_and_in_order(self, hops: list[tuple[str, bool]]) -> None:
        entries = [f"<sip:{host}{';lr' if loose else ''}>" for host, loose in hops]
        recorded = tuple(("Record-Route", entry) for entry in reversed(entries))
        sent = uac(contact="<sip:target>", headers=recorded).request("BYE")
        way = [f"<{sent.requestURI}>", *sent.getHeaders("Route")]
        if not hops or hops[0][1]:
            assert way == ["<sip:target>", *entries]
        else:
            assert way == [*entries, "<sip:target>"]


class TestTheirRequests:
    def test_the_first_sets_the_number(self) -> None:
        dialog = uac()
        assert dialog.receiveRequest(theirs("BYE", 0)) is None
        assert dialog.state.remoteCSeq == 0

    @given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20))
    def test_what_is_lower_is_refused_and_gaps_are_none(self, numbers: list[int]) -> None:
        dialog, highest = uas(cseq=5), 5
        for number in numbers:
            refused = dialog.receiveRequest(theirs("INFO", number))
            assert refused == (Rejection(500, (("Retry-After", 5),)) if number < highest else None)
            highest = max(highest, number)
            assert dialog.state.remoteCSeq == highest

    @pytest.mark.parametrize("method", ["ACK", "CANCEL"])
    def test_ACK_and_CANCEL_have_numbers_of_others(self, method: str) -> None:
        dialog = uas(cseq=5)
        dialog.receiveRequest(theirs("INFO", 7))
        assert dialog.receiveRequest(theirs(method, 5)) is None
        assert dialog.state.remoteCSeq == 7

    def test_a_target_is_taken_when_the_request_is_accepted_and_not_before(self) -> None:
        dialog = uas()
        moved = theirs("INVITE", 2, contact="<sip:new@a>")
        assert dialog.receiveRequest(moved) is None
        assert str(dialog.state.remoteTarget) != "sip:new@a"
        dialog.accept(moved)
        assert str(dialog.state.remoteTarget) == "sip:new@a"

    def test_one_that_is_no_target_refresh_or_has_no_Contact_changes_none(self) -> None:
        dialog = uas()
        before = dialog.state.remoteTarget
        dialog.accept(theirs("INFO", 2, contact="<sip:new@a>"))
        dialog.accept(theirs("INVITE", 3, contact=None))
        assert dialog.state.remoteTarget == before

    def test_a_target_that_is_none_is_refused(self) -> None:
        assert uas().receiveRequest(theirs("INVITE", 2, contact="nothing")) == Rejection(400)

    def test_Record_Route_does_not_change_the_route_set(self) -> None:
        dialog = uas(headers=RECORDED)
        dialog.accept(request("INVITE", 2, to=f"{BOB};tag={BOB_TAG}", headers=(("Record-Route", P2),)))
        assert dialog.state.routeSet == (P1, P2, P3)


class TestResponses:
    def test_a_2xx_to_a_target_refresh_moves_the_target(self) -> None:
        dialog = uac()
        dialog.receiveResponse(response(200, 2, "UPDATE", contact="<sip:new@b>", headers=RECORDED))
        assert dialog.state.remoteTarget == URI.parse("sip:new@b")
        assert dialog.state.routeSet == ()

    @pytest.mark.parametrize(("code", "method"), [(180, "INVITE"), (491, "INVITE"), (200, "INFO")])
    def test_nothing_else_does(self, code: int, method: str) -> None:
        dialog = uac()
        before = dialog.state.remoteTarget
        dialog.receiveResponse(response(code, 2, method, contact="<sip:new@b>"))
        assert dialog.state.remoteTarget == before

    def test_the_2xx_makes_the_route_set_anew(self) -> None:
        # Section 13.2.2.4
        dialog = uac(180, headers=(("Record-Route", P1),))
        dialog.receiveResponse(response(200, contact="<sip:new@b>", headers=RECORDED))
        assert (dialog.state.state, dialog.state.routeSet) == (State.CONFIRMED, (P3, P2, P1))
        assert str(dialog.state.remoteTarget) == "sip:new@b"

    def test_a_2xx_again_changes_nothing(self) -> None:
        dialog = uac(headers=RECORDED)
        before = dialog.state
        dialog.receiveResponse(response(200, contact="<sip:new@b>"))
        assert dialog.state == before

    def test_a_request_sent_again_with_credentials_had_a_higher_number(self) -> None:
        dialog = uac()
        dialog.request("INFO")
        dialog.receiveResponse(response(200, 3, "INFO"))
        assert dialog.request("BYE").cseq == 4

    def test_what_is_malformed_is_not_taken(self) -> None:
        dialog = uac(180)
        with pytest.raises(ParseError):
            dialog.receiveResponse(response(200, headers=(("Record-Route", "x"),), contact="<sip:new@b>"))
        assert dialog.state.state == State.EARLY
        assert str(dialog.state.remoteTarget) == BOB_CONTACT.strip("<>")


class TestUsages:
    def test_it_ends_with_the_last(self) -> None:
        dialog = uac()
        dialog.addUsage("invite")
        dialog.addUsage("refer;1")
        dialog.removeUsage("invite")
        dialog.removeUsage("invite")
        assert (dialog.state.state, dialog.state.usages) == (State.CONFIRMED, ("refer;1",))
        dialog.removeUsage("refer;1")
        assert dialog.state.state == State.TERMINATED

    def test_it_needs_none_to_live(self) -> None:
        dialog = uac()
        dialog.removeUsage("invite")
        assert dialog.state.state == State.CONFIRMED

    def test_what_is_no_new_usage(self) -> None:
        dialog = uac()
        dialog.addUsage("invite")
        for usage in ("invite", None):
            with pytest.raises(ValueError, match="no new usage"):
                dialog.addUsage(usage)
        dialog.end()
        with pytest.raises(ValueError, match="terminated"):
            dialog.addUsage("other")

    def test_a_481_ends_one_and_a_404_all(self) -> None:
        dialog = uac()
        dialog.addUsage("invite")
        dialog.addUsage("refer")
        assert dialog.receiveResponse(response(481, 2, "NOTIFY"), "refer") is Effect.USAGE
        assert dialog.state.usages == ("invite",)
        assert dialog.receiveResponse(response(481, 3, "OPTIONS")) is Effect.USAGE
        assert dialog.state.state == State.CONFIRMED
        assert dialog.receiveResponse(response(404, 4, "INFO")) is Effect.DIALOG
        assert dialog.state.state == State.TERMINATED


#: RFC 5057 section 5.1, table 1, for a NOTIFY; 408 as section 5.2 has it.
TRANSACTION_ONLY = (400, 401, 402, 403, 406, 407, 412, 413, 414, 415, 417, 420, 421, 422, 423, 428, 429,
                    436, 437,
                    438, 486, 487, 488, 491, 493, 494, 499, 500, 503, 504, 505, 513, 580, 599, 600, 603, 606,
                    699)  # fmt: skip


@pytest.mark.parametrize(
    ("codes", "effect"),
    [
        (TRANSACTION_ONLY, Effect.TRANSACTION),
        ((405, 408, 480, 481, 489, 501), Effect.USAGE),
        ((404, 410, 416, 482, 483, 484, 485, 502, 604), Effect.DIALOG),
    ],
)
def test_what_each_status_code_ends(codes: tuple[int, ...], effect: Effect) -> None:
    for code in codes:
        assert effectOf(code, "NOTIFY") is effect, code
        assert effectOf(code, "CANCEL") is Effect.TRANSACTION


def test_what_depends_on_the_method() -> None:
    assert effectOf(489, "INFO") is effectOf(405, "INFO") is effectOf(501, "OPTIONS") is Effect.TRANSACTION
    assert effectOf(405, "INVITE") is effectOf(481, "INFO") is Effect.USAGE


def test_Replaces_means_ours_by_its_to_tag() -> None:
    # RFC 3891 section 3
    replaces = Replaces("c@x", {"to-tag": "ours", "from-tag": "theirs"})
    assert DialogID.ofReplaces(replaces) == DialogID("c@x", "ours", "theirs")
