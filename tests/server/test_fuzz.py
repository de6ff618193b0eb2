"""Bad input of any kind: an answer or a drop, and nothing is lost or left."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sipws.message import parseMessage
from sipws.server import ServerLimits
from tests.server.harness import DOMAIN, Client, World, frame

MESSAGES = [
    f"""\
REGISTER sip:{DOMAIN} SIP/2.0
Via: SIP/2.0/WS mallory.invalid;branch=z9hG4bKregister
Max-Forwards: 70
From: "Mallory" <sip:mallory@{DOMAIN}>;tag=m1
To: <sip:mallory@{DOMAIN}>
Call-ID: register@mallory.invalid
CSeq: 1 REGISTER
Contact: <sip:mallory@mallory.invalid;transport=ws>;q=0.7;expires=600, <sip:m2@mallory.invalid>
Expires: 600
Authorization: Digest username="mallory", realm="{DOMAIN}", nonce="x", uri="sip:{DOMAIN}", response="00"
Supported: path, outbound
Content-Length: 0

""",
    f"""\
INVITE sip:alice@{DOMAIN} SIP/2.0
Via: SIP/2.0/WS mallory.invalid;branch=z9hG4bKinvite, SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bKbefore
Max-Forwards: 70
Route: <sip:{DOMAIN};transport=ws;lr>
Record-Route: <sip:before.test;lr>
From: <sip:mallory@{DOMAIN}>;tag=m2
To: "Alice \\"A.\\" Liddell" <sip:alice@{DOMAIN}>
Call-ID: invite@mallory.invalid
CSeq: 2 INVITE
Contact: <sip:mallory@mallory.invalid;transport=ws>
Content-Type: application/sdp
Content-Length: 5

v=0
""",
    f"""\
MESSAGE sip:alice@{DOMAIN} SIP/2.0
v: SIP/2.0/WS mallory.invalid;branch=z9hG4bKmessage
f: <sip:mallory@{DOMAIN}>;tag=m3
t: <sip:alice@{DOMAIN}>
i: message@mallory.invalid
CSeq: 3 MESSAGE
Proxy-Require: sec-agree
c: text/plain
l: 5

Hello""",
    f"""\
CANCEL sip:alice@{DOMAIN} SIP/2.0
Via: SIP/2.0/WS mallory.invalid;branch=z9hG4bKinvite
From: <sip:mallory@{DOMAIN}>;tag=m2
To: <sip:alice@{DOMAIN}>
Call-ID: invite@mallory.invalid
CSeq: 2 CANCEL
Content-Length: 0

""",
    f"""\
ACK sip:alice@{DOMAIN} SIP/2.0
Via: SIP/2.0/WS mallory.invalid;branch=z9hG4bKinvite
From: <sip:mallory@{DOMAIN}>;tag=m2
To: <sip:alice@{DOMAIN}>;tag=to
Call-ID: invite@mallory.invalid
CSeq: 2 ACK
Content-Length: 0

""",
    """\
SIP/2.0 200 OK
Via: SIP/2.0/WS example.test;branch=z9hG4bKabc
Via: SIP/2.0/WS mallory.invalid;branch=z9hG4bKinvite
From: <sip:mallory@example.test>;tag=m2
To: <sip:alice@example.test>;tag=to
Call-ID: invite@mallory.invalid
CSeq: 2 INVITE
Contact: <sip:alice@alice.invalid>
Content-Length: 0

""",
]

SEEDS = [message.replace("\n", "\r\n").encode() for message in MESSAGES]

#: What is likely to find something.
TOKENS = [
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b'"',
    b"<",
    b">",
    b";",
    b",",
    b"=",
    b"%00",
    b"%zz",
    b"*",
    b" ",
    b":",
    b"99999999999999999999",
    b"-1",
    b"tel:",
    b"sips:",
    b";lr",
    b";maddr=x",
    b"Via: x\r\n",
    b"Route: <sip:x>\r\n",
    b"Require: x\r\n",
    b"Contact: *\r\n",
    b"INVITE",
    b"ACK",
    b"CANCEL",
    b"REGISTER",
]


def mutate(chance: random.Random, message: bytes) -> bytes:
    """Change a message in a few places."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(message) + 1)
        to = min(len(message), at + chance.choice((0, 1, 1, 4, 40)))
        change = chance.randrange(6)
        if change == 0:
            message = message[:at] + message[to:]
        elif change == 1:
            message = message[:at] + bytes((chance.randrange(256),)) + message[at + 1 :]
        elif change == 2:
            message = message[:at] + message[at:to] * chance.choice((2, 3, 50)) + message[to:]
        elif change == 3:
            lines = message.split(b"\r\n")
            chance.shuffle(lines)
            message = b"\r\n".join(lines) if chance.random() < 0.1 else message
        else:
            message = message[:at] + chance.choice(TOKENS) + message[to:]
    return message


def assertServes(world: World, client: Client) -> None:
    """See that a connection is still of use."""
    assert not client.isGone()
    client.takeOctets()
    client.request("OPTIONS", f"sip:{DOMAIN}")
    assert client.one().statusCode == 200


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("users", [None, {"mallory": "secret"}])
def test_mutatedMessagesDoNoHarm(seed: int, users: dict[str, str] | None) -> None:
    chance = random.Random(seed)
    world = World(users=users, limits=ServerLimits(maxTransactions=100, maxBindings=50))
    alice, mallory = world.client("alice"), world.client("mallory")
    if users is None:
        assert alice.register("alice").statusCode == 200

    for number in range(400):
        mallory.deliver(frame(chance.choice((1, 2)), mutate(chance, chance.choice(SEEDS))))
        for octets in alice.takeOctets():
            alice.deliver(frame(1, mutate(chance, octets.replace(b"SIP/2.0\r\n", b"SIP/2.0\r\nTo: x\r\n"))))
        if number % 20 == 0:
            world.clock.advance(chance.choice((0.1, 4, 33)))

    world.clock.pump([1] * 40)
    assertServes(world, mallory)
    assertServes(world, alice)
    alice.drop()
    mallory.drop()
    world.assertIdle()


@pytest.mark.parametrize("seed", range(6))
def test_mutatedResponsesDoNoHarm(seed: int) -> None:
    chance = random.Random(seed)
    world = World()
    alice, mallory = world.user("alice"), world.user("mallory")

    for _ in range(150):
        alice.request(chance.choice(("INVITE", "MESSAGE", "SUBSCRIBE")), f"sip:mallory@{DOMAIN}")
        # What is mutated may look like a request, and is answered then.
        octets = [each for each in mallory.takeOctets() if not each.startswith(b"SIP/2.0 ")]
        for request in map(parseMessage, octets):
            vias = "".join(f"Via: {via}\r\n" for via in request.getHeaders("Via"))
            response = (
                f"SIP/2.0 {chance.choice((100, 180, 200, 302, 407, 487, 503, 603))} Why\r\n{vias}"
                f"From: {request.getHeader('From')}\r\nTo: {request.getHeader('To')};tag=x\r\n"
                f"Call-ID: {request.callID}\r\nCSeq: {request.getHeader('CSeq')}\r\n"
                "Proxy-Authenticate: Digest realm=x\r\nContact: <sip:mallory@mallory.invalid>\r\n\r\nbody"
            ).encode()
            mallory.deliver(frame(1, mutate(chance, response)))
        alice.takeOctets()
        world.clock.advance(chance.choice((0, 1)))

    mallory.drop()
    world.clock.pump([1] * 40)
    assertServes(world, alice)
    alice.drop()
    world.assertIdle()


@pytest.mark.parametrize("seed", range(40))
def test_octetsThatAreNoFramesLeaveNothing(seed: int) -> None:
    """A connection may be closed for these, as RFC 6455 has it; others are not."""
    chance = random.Random(seed)
    world = World()
    alice, mallory = world.user("alice"), world.user("mallory")

    for _ in range(20):
        octets = b"".join(
            frame(
                chance.choice((0, 1, 1, 2, 3, 8, 9, 10)),
                chance.choice((b"", b"x", b"x" * 126, b"\x03\xe8", chance.choice(SEEDS))),
                fin=chance.random() < 0.7,
                mask=b"abcd" if chance.random() < 0.95 else None,
            )
            for _ in range(5)
        )
        octets = mutate(chance, octets) if chance.random() < 0.5 else octets
        cut = chance.randrange(len(octets))
        mallory.deliver(octets[:cut])
        mallory.deliver(octets[cut:])

    assertServes(world, alice)
    world.clock.advance(1)
    assert mallory.isGone() or len(world.server.connections) == 2
    mallory.drop()
    alice.drop()
    world.clock.pump([1] * 40)
    world.assertIdle()


@pytest.mark.parametrize("seed", range(20))
def test_octetsThatAreNoHTTPLeaveNothing(seed: int) -> None:
    chance = random.Random(seed)
    world = World()

    for _ in range(50):
        client = world.client(upgrade=False)
        octets = (
            f"GET / HTTP/1.1\r\nHost: {DOMAIN}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: sip\r\nOrigin: https://example.org\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
        ).encode()
        client.deliver(mutate(chance, octets))
        client.deliver(frame(1, SEEDS[0]))
        world.clock.advance(chance.choice((0, 5)))
        client.drop()

    world.assertIdle()


TORTURE = sorted((Path(__file__).parent.parent / "data" / "rfc4475").glob("*.dat"))


def test_theTortureMessagesAreThere() -> None:
    assert len(TORTURE) >= 49


@pytest.mark.parametrize("path", TORTURE, ids=lambda path: path.stem)
@pytest.mark.parametrize("domain", [DOMAIN, "example.com"])
def test_tortureMessagesDoNoHarm(path: Path, domain: str) -> None:
    """RFC 4475, once from a stranger, once to a domain that many of them are for."""
    world = World(domain=domain)
    client, mallory = world.client(host=domain), world.client(host=domain)

    mallory.deliver(frame(2, path.read_bytes()))

    for each in (client, mallory):
        assert not each.isGone()
        each.takeOctets()
        each.request("OPTIONS", f"sip:{domain}")
        assert each.one().statusCode == 200
        each.drop()
    world.clock.pump([1] * 40)
    world.assertIdle()
