"""Each benchmark runs, in its smallest form.  What it measures is not judged here."""

from __future__ import annotations

import io
import shutil

import pytest
from rich.console import Console

from benchmarks import building, calling, memory, parsing, transacting
from benchmarks.corpus import loadCorpus
from benchmarks.peers import JSSIP, SIPJS, SIPMESSAGE, SIPPY, SIPWS, TWISTED, Peer
from benchmarks.rounds import geometricMean, interleave, medians, ratio
from benchmarks.stubserver import answer, frame, ring, takeFrames
from benchmarks.workers import EngineError, Worker
from sipws.message import IncomingResponse, parseMessage
from tests.counterparts import requireCounterpart

#: Those that the project needs anyway.
OURS = (SIPWS, TWISTED)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def present(engines: tuple[Peer, ...]) -> set[Peer]:
    return {peer for peer in engines if peer.missing() is None}


class TestEachRuns:
    def test_parse(self, console: Console) -> None:
        figures = parsing.runParse(console, rounds=1, seconds=0.0001)
        assert set(figures) == present(parsing.ENGINES) >= set(OURS)
        # sipws takes every message of the corpus.
        assert set(figures[SIPWS]) == {sample.name for sample in loadCorpus()}
        assert all(value > 0 for values in figures.values() for value in values.values())
        assert "geometric mean" in printed(console)
        assert "2.5" in printed(console)

    def test_build(self, console: Console) -> None:
        figures = building.runBuild(console, rounds=1, seconds=0.0001)
        assert set(figures) == present(building.ENGINES) >= set(OURS)
        assert set(figures[SIPWS]) == set(building.MESSAGES)

    def test_transactions(self, console: Console) -> None:
        rates = transacting.runTransactions(console, rounds=1, seconds=0.01)
        assert set(rates) == present(transacting.ENGINES) >= {SIPWS}
        assert all(rate.perSecond > 0 for rate in rates.values())

    def test_calls(self, console: Console) -> None:
        rates = calling.runCalls(console, rounds=1, seconds=0.01)
        assert set(rates) == present(calling.ENGINES) >= {SIPWS}
        assert all(rate.perSecond > 0 for rate in rates.values())

    def test_memory(self, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(memory, "ENGINES", (SIPWS,))
        sizes = memory.runMemory(console, first=5, more=20)
        assert set(sizes) == {SIPWS}
        assert sizes[SIPWS].kept > 0


class TestMessagesBuilt:
    """What each engine builds is what was asked for: otherwise it would be measured at something else."""

    @pytest.mark.parametrize("peer", building.ENGINES, ids=lambda peer: peer.engine)
    def test_isThatMessage(self, peer: Peer) -> None:
        requireCounterpart(peer.name, peer.missing() is None, peer.install)
        with Worker(peer) as worker:
            worker.do("prepare", **building.materials())
            register, invite, ok = (
                parseMessage(worker.do("sample", name=name).encode()) for name in building.MESSAGES
            )
        assert (register.method, register.body) == ("REGISTER", b"")
        assert (invite.method, invite.body.decode()) == ("INVITE", building.materials()["offer"])
        assert isinstance(ok, IncomingResponse)
        assert (ok.statusCode, ok.cseqMethod) == (200, "INVITE")
        assert ok.body.decode() == building.materials()["answer"]
        assert ok.toTag
        assert len(ok.getHeaders("Via")) == len(ok.getHeaders("Record-Route")) == 2


class TestPeersMissing:
    def test_areNamedWithTheirInstallation(self, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
        install = "pip install -e '.[x]'"
        absent = Peer(
            name="nosuch", short="nosuch", engine="none", modules=("no_such_module",), install=install
        )
        monkeypatch.setattr(parsing, "ENGINES", (TWISTED, absent))
        figures = parsing.runParse(console, rounds=1, seconds=0.0001)
        assert set(figures) == {TWISTED}
        assert "left out: nosuch" in printed(console)
        assert "no_such_module" in printed(console)
        assert install in printed(console)

    @pytest.mark.parametrize("peer", [JSSIP, SIPJS])
    def test_nodeIsLookedForFirst(self, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda name: None)
        assert peer.missing() == "Node.js"

    @pytest.mark.parametrize("peer", [SIPPY, SIPMESSAGE, TWISTED])
    def test_pythonNeedsNoNode(self, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda name: None)
        assert peer.missing() != "Node.js"


class TestWorkers:
    def test_errorIsReported(self) -> None:
        with Worker(TWISTED) as worker, pytest.raises(EngineError, match="KeyError"):
            worker.do("nonsense")

    def test_endIsReported(self) -> None:
        with Worker(TWISTED) as worker:
            worker.process.kill()
            worker.process.wait()
            with pytest.raises(EngineError, match=TWISTED.name):
                worker.do("load", messages=[])


class TestRounds:
    def test_turnsAreTaken(self) -> None:
        order: list[str] = []

        def turn(name: str) -> float:
            order.append(name)
            return float(len(order))

        figures = interleave(3, {"a": lambda: turn("a"), "b": lambda: turn("b")})
        assert order == ["a", "b"] * 3
        assert medians(figures) == {"a": 3.0, "b": 4.0}

    def test_ratioIsOverWhatBothCanDo(self) -> None:
        mine = {"one": 1.0, "two": 2.0, "three": 1.0}
        assert ratio(mine, {"one": 2.0, "two": 16.0}) == pytest.approx(4.0)
        assert ratio(mine, {}) is None
        assert geometricMean([]) is None


class TestCorpus:
    def test_variantsDifferInIdentifiersAlone(self) -> None:
        for sample in loadCorpus():
            variants = sample.variants(3)
            assert {len(variant) for variant in variants} == {len(sample.octets)}
            original = parseMessage(sample.octets)
            first, second = parseMessage(variants[0]), parseMessage(variants[1])
            assert first.callID != second.callID
            assert first.fromTag != second.fromTag
            assert first.viaBranch != second.viaBranch
            assert (first.method, first.cseq, first.body) == (original.method, original.cseq, original.body)


class TestStubServer:
    def test_answersWithWhatAResponseMustCarry(self) -> None:
        message = next(sample for sample in loadCorpus() if sample.name == "10_message").octets
        request, response = parseMessage(message), parseMessage(answer(message))
        assert isinstance(response, IncomingResponse)
        assert response.statusCode == 200
        for name in ("Via", "From", "Call-ID", "CSeq"):
            assert response.getHeaders(name) == request.getHeaders(name)
        assert response.toTag == "stub"
        assert response.body == b""

    def test_acceptsRegistrations(self) -> None:
        message = next(sample for sample in loadCorpus() if sample.name == "01_register_auth").octets
        response = parseMessage(answer(message))
        assert response.getHeader("Contact") == parseMessage(message).getHeader("Contact")
        assert response.getHeader("Expires") == "600"

    def test_takesCalls(self) -> None:
        message = next(sample for sample in loadCorpus() if sample.name == "04_invite_sdp").octets
        request, ringing, response = (
            parseMessage(each) for each in (message, ring(message), answer(message))
        )
        assert isinstance(ringing, IncomingResponse)
        assert isinstance(response, IncomingResponse)
        assert (ringing.statusCode, response.statusCode) == (180, 200)
        for each in (ringing, response):
            assert each.getHeaders("Via") == request.getHeaders("Via")
            assert each.getHeader("Contact") != request.getHeader("Contact")
            assert each.toTag == "stub"
        assert (ringing.body, response.contentType) == (b"", "application/sdp")
        assert response.body.startswith(b"v=0\r\n")

    def test_leavesTheRestUnanswered(self) -> None:
        corpus = {sample.name: sample.octets for sample in loadCorpus()}
        assert answer(corpus["07_ack"]) == answer(corpus["12_503"]) == answer(b"\r\n\r\n") == b""

    @pytest.mark.parametrize("length", [0, 1, 125, 126, 4096, 70_000])
    def test_takesFramesApart(self, length: int) -> None:
        payload = bytes(index % 251 for index in range(length))
        octets = _masked(payload) + _masked(b"second")
        assert takeFrames(octets) == ([(1, payload), (1, b"second")], b"")
        assert takeFrames(octets[:-1]) == ([(1, payload)], _masked(b"second")[:-1])

    def test_framesAreNotMasked(self) -> None:
        assert frame(1, b"abc") == b"\x81\x03abc"
        assert frame(1, bytes(300)) == b"\x81\x7e\x01\x2c" + bytes(300)


def _masked(payload: bytes) -> bytes:
    mask = b"\x01\x80\xff\x5a"
    length = len(payload)
    if length < 126:
        head = bytes((0x81, 0x80 | length))
    elif length < 65_536:
        head = b"\x81\xfe" + length.to_bytes(2, "big")
    else:
        head = b"\x81\xff" + length.to_bytes(8, "big")
    return head + mask + bytes(octet ^ mask[index % 4] for index, octet in enumerate(payload))
