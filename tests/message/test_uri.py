from __future__ import annotations

import pytest

from sipws.errors import ParseError
from sipws.message import URI


class TestParse:
    def test_all_parts(self) -> None:
        uri = URI.parse(
            "sip:alice:secret@atlanta.example.com:5070;transport=ws;lr?subject=x%20y&priority=urgent"
        )
        assert uri.scheme == "sip"
        assert uri.user == "alice"
        assert uri.password == "secret"
        assert uri.host == "atlanta.example.com"
        assert uri.port == 5070
        assert list(uri.parameters.items()) == [("transport", "ws"), ("lr", None)]
        assert uri.headers == (("subject", "x y"), ("priority", "urgent"))

    @pytest.mark.parametrize(
        "text",
        [
            # RFC 3261 section 19.1.3.
            "sip:alice@atlanta.com",
            "sip:alice:secretword@atlanta.com;transport=tcp",
            "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:+1-212-555-1212:1234@gateway.com;user=phone",
            "sips:1212@gateway.com",
            "sip:alice@192.0.2.4",
            "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
            "sip:alice;day=tuesday@atlanta.com",
            # And others.
            "sip:192.0.2.1:5060",
            "sip:[2001:db8::1]:5061;lr",
            "sip:[::ffff:192.0.2.1]",
            "sip:a@b.",
            "sip:a@xn--bcher-kva.example",
            "sip:under_score@my_host",
            "sip:a@b;p=%3B",
            "sip:a@b?x=",
            "tel:+1-201-555-0123;phone-context=example.com",
            "tel:*21",
            "urn:service:sos",
            "http://www.example.com/a?b=c;d",
            "im:alice@example.com",
        ],
    )
    def test_round_trip(self, text: str) -> None:
        assert str(URI.parse(text)) == text
        assert URI.parse(str(URI.parse(text))) == URI.parse(text)

    def test_scheme_in_any_case(self) -> None:
        assert URI.parse("SIP:alice@example.com") == URI.parse("sip:alice@example.com")

    def test_names_of_parameters_in_any_case_values_keep_theirs(self) -> None:
        uri = URI.parse("sip:a@b;TransPort=WSS")
        assert uri.parameters["transport"] == uri.parameters["TRANSPORT"] == "WSS"
        assert "tRANSPORT" in uri.parameters

    def test_escapes_are_decoded_and_printed_canonically(self) -> None:
        uri = URI.parse("sip:%61lice%40home@b;%6Cr;p=%41%3b?x=%3c%3E")
        assert uri.user == "alice@home"
        assert uri.parameters == {"lr": None, "p": "A;"}
        assert uri.headers == (("x", "<>"),)
        assert str(uri) == "sip:alice%40home@b;lr;p=A%3B?x=%3C%3E"

    def test_escapes_of_UTF8_and_of_what_is_none(self) -> None:
        assert URI.parse("sip:Zo%C3%AB@b").user == "Zoë"
        assert str(URI("sip", "Zoë", host="b")) == "sip:Zo%C3%AB@b"
        assert str(URI.parse("sip:%ff%00@b")) == "sip:%FF%00@b"

    def test_tel(self) -> None:
        uri = URI.parse("tel:+1-201-555-0123;ext=7")
        assert (uri.scheme, uri.user, uri.host) == ("tel", "+1-201-555-0123", "")
        assert uri.parameters == {"ext": "7"}

    @pytest.mark.parametrize(
        ("text", "position"),
        [
            ("", 0),
            ("alice", 0),
            ("alice@example.com", 0),
            (":a", 0),
            ("sip:", 4),
            ("sip:@b", 4),
            ("sip:a@", 6),
            ("sip:a b@c", 5),
            ("sip:a@b c", 7),
            ("sip:a@-b", 6),
            ("sip:a@b..c", 8),
            ("sip:a@1.2.3", 6),
            ("sip:a@b:", 8),
            ("sip:a@b:x", 8),
            ("sip:a@b:65536", 8),
            ("sip:a@b:0", 8),
            ("sip:a@b:99999999999999999999999999", 8),
            ("sip:a@[::g]", 6),
            ("sip:a@[1:2:3]", 6),
            ("sip:a@[::1", 6),
            ("sip:a@b;", 7),
            ("sip:a@b;;c", 7),
            ("sip:a@b;c=", 9),
            ("sip:a@b;c;C", 9),
            ("sip:a@b?c", 7),
            ("sip:a@b?c=d&", 11),
            ("sip:a@b?c=d?e=f&", 13),
            ("sip:%zz@b", 4),
            ("sip:a%4@b", 5),
            ("sip:josé@b", 7),
            ("<sip:a@b>", 0),
            ("tel:", 4),
            ("tel:+", 4),
            ("tel:12 34", 6),
            ("urn:", 4),
            ("urn:a b", 5),
            ("http://ü", 7),
        ],
    )
    def test_what_is_none(self, text: str, position: int) -> None:
        with pytest.raises(ParseError) as caught:
            URI.parse(text)
        assert caught.value.position == position
        assert caught.value.value == text

    def test_there_is_a_bound_to_parameters(self) -> None:
        with pytest.raises(ParseError, match="128"):
            URI.parse("sip:a@b" + "".join(f";p{number}" for number in range(129)))


class TestConstructed:
    def test_from_parts(self) -> None:
        uri = URI("sips", "bob", host="example.com", port=443, parameters={"transport": "ws"})
        assert str(uri) == "sips:bob@example.com:443;transport=ws"
        assert URI.parse(str(uri)) == uri

    def test_it_can_be_a_key(self) -> None:
        assert len({URI.parse("sip:a@b;x;y"), URI.parse("sip:a@b;y;x"), URI.parse("sip:c@b")}) == 2

    @pytest.mark.parametrize(
        "parts",
        [
            {"scheme": "sip", "host": "a\r\nEvil: 1"},
            {"scheme": "sip", "host": "a b"},
            {"scheme": "sip", "host": ""},
            {"scheme": "sip", "host": "a", "port": 70000},
            {"scheme": "sip", "host": "a", "user": ""},
            {"scheme": "sip", "host": "a", "password": "x"},
            {"scheme": "sip", "host": "a", "parameters": {"x": ""}},
            {"scheme": "sip", "host": "a", "parameters": {"": "x"}},
            {"scheme": "sip", "host": "a", "headers": {"": "x"}},
            {"scheme": "tel", "user": "none"},
            {"scheme": "tel"},
            {"scheme": "urn", "opaque": "a\r\nb"},
            {"scheme": "no scheme", "opaque": "a"},
            {"scheme": "*", "opaque": "a"},
        ],
    )
    def test_what_cannot_be_printed_is_refused(self, parts: dict[str, object]) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - each says something else
            URI(**parts)  # type: ignore[arg-type]

    def test_anything_in_the_user_is_escaped(self) -> None:
        uri = URI("sip", 'x@y\r\n"<>', host="a")
        assert str(uri) == "sip:x%40y%0D%0A%22%3C%3E@a"
        assert URI.parse(str(uri)) == uri

    def test_repr_does_not_show_the_password(self) -> None:
        assert "s3cret" not in repr(URI.parse("sip:alice:s3cret@example.com"))


class TestEquivalent:
    """RFC 3261 section 19.1.4, by its own examples and those of RFC 5954 and RFC 3966."""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("sip:a@[2001:DB8::1]", "sip:a@[2001:db8:0:0::1]"),
            ("tel:+1-201-555-0123", "tel:+1(201)5550123"),
            ("urn:service:sos", "URN:service:sos"),
        ],
    )
    def test_they_are(self, one: str, other: str) -> None:
        assert URI.parse(one).equivalent(URI.parse(other))
        assert URI.parse(other).equivalent(URI.parse(one))

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a@b", "sips:a@b"),
            ("sip:a@b", "sip:b"),
            ("sip:a@b", "sip:a:p@b"),
            ("sip:a@b", "sip:a@b;user=phone"),
            ("sip:a@b", "sip:a@b;ttl=1"),
            ("sip:a@b", "sip:a@b;method=INVITE"),
            ("sip:a@b", "sip:a@b;maddr=192.0.2.1"),
            ("sip:a@[::1]", "sip:a@[::2]"),
            ("tel:+1", "tel:+2"),
            ("tel:+1;ext=1", "tel:+1;ext=2"),
            ("urn:a", "urn:b"),
        ],
    )
    def test_they_are_not(self, one: str, other: str) -> None:
        assert not URI.parse(one).equivalent(URI.parse(other))
        assert not URI.parse(other).equivalent(URI.parse(one))
