"""
A user agent in turmoil: requests go both ways, and faults come at random, by a seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sipws.config import Configuration
from sipws.digest import DigestVerifier
from sipws.errors import SIPError, TransactionCancelled, TransactionTimeout, TransportError
from sipws.message import IncomingRequest, IncomingResponse, OutgoingRequest, OutgoingResponse
from sipws.testing import MemoryConnection, MemoryNetwork, acceptRegister
from sipws.transport import Transport
from sipws.ua import UserAgent
from tests.ua.fakes import ALICE, BOB, incoming

NUMBER = "X-Number"


@attrs.define(eq=False)
class Entry:
    """
    One request of ours.

    @ivar until: When it must have left.
    @ivar left: When it left, each time, with its CSeq number.
    @ivar challenged: The CSeq numbers that were challenged.
    @ivar outcomes: How it ended.
    """

    number: int
    method: str
    until: float
    deferred: Deferred[Any] | None = None
    left: list[tuple[float, int]] = attrs.field(factory=list)
    challenged: set[int] = attrs.field(factory=set)
    outcomes: list[Any] = attrs.field(factory=list)


@attrs.define(eq=False)
class Served:
    """
    One request that came to our handler.

    @ivar finals: The final responses that the transport took.
    @ivar abandoned: How often it was told to be abandoned.
    @ivar isAnswered: Whether its handler answered at once.
    """

    request: IncomingRequest
    isAnswered: bool = False
    finals: list[int] = attrs.field(factory=list)
    abandoned: int = 0


class Turmoil:
    """
    The user agent, the network, and the books.

    @ivar ours: Our requests; the number of each is its index.
    @ivar served: The requests that came to our handlers.
    @ivar octets: The requests that our transports took, and how often.
    @ivar order: The numbers of our requests, in the order in which they first left.
    """

    OPTIONS: Any = {
        "wsServers": ["ws://one.example.com", "ws://two.example.com"],
        "password": "secret",
        "maxPendingOctets": 3_000,
        "maxWaitingRequests": 12,
        "maxUnansweredRequests": 20,
        "pauseReadingAt": 4,
        "keepAliveInterval": 20,
        "wsServerMaxReconnection": 1,
        "wsServerReconnectionTimeout": 1,
    }

    def __init__(self, seed: int, **options: Any) -> None:
        self.random = Random(seed)
        self.network = MemoryNetwork()
        self.network.answer("REGISTER", acceptRegister)
        self.verifier = DigestVerifier("example.com", self.now, b"0" * 16)
        self.ours: list[Entry] = []
        self.served: list[Served] = []
        self.octets: Counter[bytes] = Counter()
        self.order: list[int] = []
        self.strange: list[str] = []
        self._incoming = 0
        self.ua = UserAgent(
            Configuration(**{"uri": ALICE, **self.OPTIONS, **options}),
            self.network.reactor,
            random=Random(seed),
            transportFactory=self._transport,
        )
        for method in ("MESSAGE", "OPTIONS", "INVITE"):
            self.ua.handle(method, self._handle)
        self.ua.on("requestAbandoned", self._abandoned)
        self.ua.start()

    def now(self) -> float:
        return float(self.network.reactor.seconds())

    # What happens, by chance.

    def step(self) -> None:
        """Have something happen."""
        steps: list[tuple[Callable[[], object], int]] = [
            (self.request, 10),
            (self.cancel, 1),
            (self.answer, 10),
            (self.serve, 5),
            (self.flood, 1),
            (self.advance, 8),
            (self.fault, 3),
            (self.mend, 2),
            (self.stopOrStart, 1),
        ]
        actions, weights = zip(*steps, strict=True)
        self.random.choices(actions, weights)[0]()

    def request(self) -> None:
        """Send a request."""
        method = self.random.choice(["MESSAGE", "MESSAGE", "OPTIONS", "INVITE"])
        deadline = self.random.choice([None, None, 0, 0.5, 3, 60, float("inf")])
        until = float("inf") if deadline is None else self.now() + deadline
        entry = Entry(len(self.ours), method, until)
        self.ours.append(entry)
        body = "x" * self.random.choice([5, 5, 1_000, 30_000])
        entry.deferred = self.ua.request(
            method, BOB, [(NUMBER, entry.number)], body, contentType="text/plain", deadline=deadline
        )
        entry.deferred.addBoth(self._ended, entry)

    def cancel(self) -> None:
        """Give a request up."""
        undone = [entry for entry in self.ours if not entry.outcomes]
        if undone:
            deferred = self.random.choice(undone).deferred
            assert deferred is not None
            deferred.cancel()

    def answer(self) -> None:
        """Have the server answer a request, somehow."""
        connection = self._connection()
        if connection is None or not connection.requests:
            return
        request = self.random.choice(connection.requests)
        if request.method == "ACK":
            connection.received.remove(request)
            return
        status = self.random.choice([100, 180, 200, 200, 200, 404, 503, 401])
        headers: list[tuple[str, object]] = []
        if status == 401:
            number = request.getHeader(NUMBER)
            if number is not None:
                self.ours[int(number)].challenged.add(request.cseq)
            headers = [("WWW-Authenticate", value) for value in self.verifier.makeChallenges(stale=False)]
        if status == 200 and request.method == "INVITE":
            headers = [("Contact", "<sip:bob@10.0.0.1;transport=ws>")]
        if status >= 200:
            connection.received.remove(request)
        connection.respond(request, status, headers=headers)

    def serve(self) -> None:
        """Have a request come in."""
        connection = self._connection()
        if connection is not None:
            self._incoming += 1
            method = self.random.choice(["MESSAGE", "MESSAGE", "OPTIONS", "INVITE"])
            mark = f"in{self._incoming}"
            connection.send(incoming(method, branch=f"z9hG4bK{mark}", callID=mark))

    def flood(self) -> None:
        """Have many come in."""
        for _ in range(15):
            self.serve()

    def advance(self) -> None:
        """Let time pass."""
        self.network.advance(self.random.choice([0, 0.01, 0.5, 2, 5, 20]))

    def fault(self) -> None:
        """Break something."""
        network, connection = self.network, self._connection()
        faults: list[Callable[[], object]] = [
            network.refuse,
            network.stall,
            network.stallUpgrade,
            lambda: network.reject(503),
        ]
        if connection is not None:
            faults += [connection.drop, connection.stall, connection.vanish, connection.close] * 2
            faults += [connection.pauseReading] * 4
        self.random.choice(faults)()

    def mend(self) -> None:
        """Mend what is broken, if it can be mended."""
        self.network.accept()
        connection = self._connection()
        if connection is not None:
            connection.resume()
            connection.resumeReading()

    def stopOrStart(self) -> None:
        """Stop, or start again."""
        if self.random.random() < 0.15:
            self.ua.stop()
        else:
            self.ua.start()

    def finish(self) -> None:
        """Mend everything, stop, and let everything come to its end."""
        self.mend()
        self.ua.stop()
        self.network.advance(200)

    # The books.

    def check(self) -> None:
        """Compare the books with what the user agent has counted, at any moment."""
        kinds = Counter(_kind(entry.outcomes[0]) for entry in self.ours if entry.outcomes)
        counters = self.ua.counters.asDict()
        assert {kind: counters[kind] for kind in KINDS} == {kind: kinds[kind] for kind in KINDS}
        assert counters["requests"] == len(self.ours)
        unfinished = sum(not entry.outcomes for entry in self.ours)
        assert sum(counters[kind] for kind in KINDS) + unfinished == counters["requests"]
        assert counters["requestsReceived"] == len(self.served)
        assert counters["requestsAbandoned"] == sum(served.abandoned for served in self.served)

    def discrepancies(self) -> list[str]:
        """Say what does not add up in the end."""
        found = list(self.strange)
        found += [
            f"sent {count} times: {octets[:60]!r}" for octets, count in self.octets.items() if count > 1
        ]
        found += [f"{entry}: {wrong}" for entry in self.ours for wrong in _wrongs(entry)]
        if self.order != sorted(self.order):
            found.append(f"out of order: {self.order}")
        for served in self.served:
            ends = len(served.finals) + served.abandoned
            if served.request.method != "INVITE" and ends > 1:
                found.append(f"{served}: it was answered and abandoned")
            if served.isAnswered and not ends:
                found.append(f"{served}: its answer was lost in silence")
        return found

    def leftovers(self) -> list[object]:
        """Give what is left open."""
        left: list[object] = [*self.ua.transactions, *self.network.reactor.getDelayedCalls()]
        dispatcher: Any = self.ua._dispatcher
        left += [*(dispatcher._pending or ()), *(self.ua._requester.waiting.entries or ())]
        counts = dispatcher._pausing.count, dispatcher._orphans, self.network.openSockets
        return left + [count for count in counts if count]

    # How it is kept.

    def _connection(self) -> MemoryConnection | None:
        """Choose a connection, rather a new one."""
        connections = self.network.connections[-3:]
        return self.random.choice(connections) if connections else None

    def _transport(self, *args: Any, **kwargs: Any) -> Transport:
        return _Recording(self, *args, **kwargs)

    def sent(self, message: OutgoingRequest | OutgoingResponse | bytes | str) -> None:
        """Enter that a message has left."""
        if isinstance(message, OutgoingRequest):
            self.octets[bytes(message)] += 1
            number = message.getHeader(NUMBER)
            if number is not None:
                entry = self.ours[int(number)]
                if not entry.left:
                    self.order.append(entry.number)
                entry.left.append((self.now(), message.cseq))
                if entry.outcomes:
                    self.strange.append(f"{entry} left after its end")
        elif isinstance(message, OutgoingResponse) and message.statusCode >= 200:
            for served in self.served:
                if served.request is message.request:
                    served.finals.append(message.statusCode)

    def _ended(self, result: Any, entry: Entry) -> None:
        entry.outcomes.append(result.value if isinstance(result, Failure) else result)
        # The user's callback: it may well have the next request to send.
        if self.random.random() < 0.1:
            self.request()

    def _handle(self, request: IncomingRequest) -> object:
        self.served.append(Served(request))
        way = self.random.choice(["at once", "later", "later", "never", "self", "asks"])
        if way == "later":
            return self._later()
        if way == "never":
            return Deferred()
        if way == "self":
            self.ua.respond(request, 100)
            self.ua.respond(request, 200)
            return None
        if way == "asks":
            return self._ask()
        self.served[-1].isAnswered = True
        return 200

    def _later(self) -> Deferred[Any]:
        """Answer after a while, unless that is cancelled."""
        delay = self.random.choice([0.1, 3, 20, 40])
        answer: Deferred[Any] = Deferred(lambda _: timer.cancel())
        timer = self.network.reactor.callLater(delay, answer.callback, 202)
        return answer

    async def _ask(self) -> int:
        """Answer with what somebody else says."""
        entry = Entry(len(self.ours), "OPTIONS", float("inf"))
        self.ours.append(entry)
        entry.deferred = self.ua.request("OPTIONS", BOB, [(NUMBER, entry.number)])
        try:
            response = await entry.deferred
        except SIPError as error:
            self._ended(error, entry)
            return 500
        self._ended(response, entry)
        return 200

    def _abandoned(self, request: IncomingRequest, error: SIPError) -> None:
        [served] = [served for served in self.served if served.request is request]
        served.abandoned += 1


class _Recording(Transport):
    """A transport whose messages are entered."""

    __slots__ = ("_turmoil",)

    def __init__(self, turmoil: Turmoil, *args: Any, **kwargs: Any) -> None:
        self._turmoil = turmoil
        super().__init__(*args, **kwargs)

    def send(self, msg: OutgoingRequest | OutgoingResponse | bytes | str) -> bool:
        taken = super().send(msg)
        if taken:
            self._turmoil.sent(msg)
        return taken


KINDS = ("responses", "timeouts", "cancellations", "unsentFailures", "sentFailures", "otherFailures")


def _kind(outcome: Any) -> str:
    """Say which counter counts an outcome."""
    if isinstance(outcome, IncomingResponse):
        return "responses"
    if isinstance(outcome, TransactionTimeout):
        return "timeouts"
    if isinstance(outcome, TransactionCancelled):
        return "cancellations"
    if isinstance(outcome, TransportError):
        return "sentFailures" if outcome.sent else "unsentFailures"
    return "otherFailures"


def _wrongs(entry: Entry) -> list[str]:
    """Say what is wrong with one request."""
    wrongs = []
    if len(entry.outcomes) != 1:
        wrongs.append("it must end once")
    for outcome in entry.outcomes:
        if not isinstance(outcome, (IncomingResponse, SIPError)):
            wrongs.append("that is neither a final response nor a typed failure")
        if isinstance(outcome, (TransportError, TransactionTimeout, TransactionCancelled)):
            wrongs += _wrongsOfFailure(entry, outcome)
    if any(when > entry.until for when, _ in entry.left):
        wrongs.append("it left after its deadline")
    cseqs = [cseq for _, cseq in entry.left]
    if cseqs != sorted(set(cseqs)):
        wrongs.append("it was sent twice")
    if not entry.challenged.issuperset(cseqs[:-1]):
        wrongs.append("it was sent again though it was not challenged")
    return wrongs


def _wrongsOfFailure(entry: Entry, error: Any) -> list[str]:
    wrongs = []
    if error.sent not in (True, False) or error.request.getHeader(NUMBER) != str(entry.number):
        wrongs.append("its failure does not say what it is of")
    elif error.sent != any(cseq == error.request.cseq for _, cseq in entry.left):
        wrongs.append(f"it had{'' if error.sent else ' not'} left, it says")
    return wrongs
