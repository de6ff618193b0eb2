from __future__ import annotations

import pytest

from sipws.errors import ParseError
from sipws.message import URI, Contact, NameAddr, QuotedString, Route


class TestNameAddr:
    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("<sip:a@b>", None),
            ("Bob <sip:a@b>", "Bob"),
            ("Bob<sip:a@b>", "Bob"),
            ("A. G.   Bell <sip:a@b>", "A. G. Bell"),
            ('"A. G. Bell" <sip:a@b>', "A. G. Bell"),
            ('"A. G. Bell"<sip:a@b>', "A. G. Bell"),
            (r'"Bob \"B\" Builder \\" <sip:a@b>', 'Bob "B" Builder \\'),
            ('"<sip:evil@b>;tag=x, " <sip:a@b>', "<sip:evil@b>;tag=x, "),
            ('"Zoë Ångström" <sip:a@b>', "Zoë Ångström"),
            ('"" <sip:a@b>', ""),
            ("sip:a@b", None),
            ("\t sip:a@b ", None),
        ],
    )
    def test_display_names(self, text: str, name: str | None) -> None:
        address = NameAddr.parse(text + ";tag=1")
        assert address.displayName == name
        assert address.uri == URI.parse("sip:a@b")
        assert address.tag == "1"
        assert NameAddr.parse(str(address)) == address

    def test_a_parameter_after_an_address_without_brackets_is_the_headers(self) -> None:
        address = NameAddr.parse("sip:a@b;transport=ws")
        assert address.uri.parameters == {}
        assert address.parameters == {"transport": "ws"}

    def test_a_parameter_within_brackets_is_the_URIs(self) -> None:
        address = NameAddr.parse("<sip:a@b;transport=ws>")
        assert address.uri.parameters == {"transport": "ws"}
        assert address.parameters == {}

    def test_white_space_around_separators(self) -> None:
        address = NameAddr.parse(' "A"\t <sip:a@b> ; tag = 1 ; x = "y" ; z ')
        assert address.parameters == {"tag": "1", "x": "y", "z": None}

    def test_what_came_quoted_is_printed_quoted(self) -> None:
        text = '<sip:a@b>;+sip.instance="<urn:uuid:1>";audio="x";video=y;q=0.5'
        assert str(NameAddr.parse(text)) == text

    def test_built_from_values(self) -> None:
        address = NameAddr(
            'Ann "A"', URI.parse("sip:a@b"), {"tag": "1", "x": "a b", "y": QuotedString("z"), "e": ""}
        )
        assert str(address) == r'"Ann \"A\"" <sip:a@b>;tag=1;x="a b";y="z";e=""'
        assert NameAddr.parse(str(address)) == address

    def test_a_display_name_cannot_break_the_line(self) -> None:
        with pytest.raises(ValueError, match="CR or LF"):
            str(NameAddr("a\r\nEvil: 1", URI.parse("sip:a@b")))

    def test_a_parameters_name_is_a_token(self) -> None:
        with pytest.raises(ValueError, match="name"):
            str(NameAddr(None, URI.parse("sip:a@b"), {"a b": None}))

    @pytest.mark.parametrize(
        ("text", "position"),
        [
            ("", 0),
            ("  ", 2),
            ("Bob", 0),
            ("<>", 1),
            ("<sip:a@b", 0),
            ("sip:a@b>", 7),
            ('"Bob <sip:a@b>', 0),
            ('Bob "B" <sip:a@b>', 0),
            ("Bell, Alexander <sip:a@b>", 0),
            ("Zoë <sip:a@b>", 0),
            ("< sip:a@b >", 1),
            ("<sip:a@b> x", 10),
            ("<sip:a@b>;", 9),
            ("<sip:a@b>;;x", 9),
            ("<sip:a@b>;x=;y", 11),
            ("<sip:a@b>;tag=1;TAG=2", 16),
            ("<sip:a@b>, <sip:c@d>", 9),
            ("sip:a@b?x=y", 7),
            ("sip:a,b@c", 5),
            ('<sip:a@b>;x="y', 11),
            ("<sip:a@b>;tag", 10),
            ('<sip:a@b>; tag="x"', 11),
            ("<sip:a@b>;tag=[x]", 10),
        ],
    )
    def test_what_is_none(self, text: str, position: int) -> None:
        with pytest.raises(ParseError) as caught:
            NameAddr.parse(text)
        assert caught.value.position == position
        assert caught.value.value == text

    def test_a_tag_is_a_token(self) -> None:
        for tag in (None, "", "a b", QuotedString("a"), "a:b"):
            with pytest.raises(ValueError, match="tag"):
                NameAddr(None, URI.parse("sip:a@b"), {"tag": tag})

    def test_a_fold_before_a_parameter_of_the_URI(self) -> None:
        """RFC 7118 section 8.2 has one, against the grammar."""
        assert NameAddr.parse("<sip:a@b ;ob>").uri.parameters == {"ob": None}


class TestContact:
    def test_its_parameters(self) -> None:
        contact = Contact.parse("<sip:a@b>;expires=600;q=0.7")
        assert (contact.expires, contact.q, contact.isStar) == (600, 0.7, False)

    def test_without_them(self) -> None:
        contact = Contact.parse("<sip:a@b>")
        assert contact.expires is contact.q is None

    @pytest.mark.parametrize("text", ["x", "-1", "4294967296", "99999999999999999999", '""'])
    def test_a_malformed_expires_is_an_hour(self, text: str) -> None:
        """RFC 3261 section 20.10: it SHOULD be treated as equivalent to 3600."""
        assert Contact.parse(f"<sip:a@b>;expires={text}").expires == 3600

    def test_expires_without_value(self) -> None:
        assert Contact.parse("<sip:a@b>;expires").expires == 3600

    @pytest.mark.parametrize("text", ["2", "x", "0.1234", "-1", '"0.5"x'[:5]])
    def test_a_malformed_q_is_none(self, text: str) -> None:
        contact = Contact.parse(f"<sip:a@b>;q={text}")
        assert contact.q is None or text == '"0.5"'

    def test_star(self) -> None:
        contact = Contact.parse(" * ")
        assert contact.isStar
        assert str(contact) == "*"
        assert Contact.parse(str(contact)) == contact

    def test_star_has_no_parameters(self) -> None:
        with pytest.raises(ParseError):
            Contact.parse("*;expires=0")


class TestRoute:
    def test_loose_and_strict(self) -> None:
        assert Route.parse("<sip:p1.example.com;lr>").isLoose
        assert not Route.parse("<sip:p1.example.com>;lr").isLoose

    def test_it_has_brackets(self) -> None:
        with pytest.raises(ParseError, match="<"):
            Route.parse("sip:p1.example.com;lr")

    def test_round_trip(self) -> None:
        text = "<sip:p1.example.com;lr>;x=y"
        assert str(Route.parse(text)) == text
