"""
What the engines in Python share: the tasks of the benchmarks C{parse} and C{build}.

An engine is a mapping of tasks to functions.  L{parsing} and L{building} make
those that are the same for all but in what they call.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Builders", "Materials", "Tasks", "building", "parsing"]

_Input = TypeVar("_Input")


@attrs.frozen
class Materials:
    """
    What the messages of the benchmark C{build} are made from.

    @ivar invite: An INVITE as it was received, to be answered.
    @ivar offer: The SDP for an INVITE.
    @ivar answer: The SDP for a 200.
    """

    invite: str
    offer: str
    answer: str


if TYPE_CHECKING:
    #: What can be ordered, and what does it.
    Tasks = Mapping[str, Callable[..., Any]]
    #: By name of a message: what prepares the input, which is not timed, and what builds the message from it.
    Builders = Mapping[str, tuple[Callable[[Materials], Any], Callable[[Any], bytes]]]


def parsing(parse: Callable[[bytes], bool]) -> Tasks:
    """
    Give the tasks of the benchmark C{parse}.

    @param parse: Parses and checks a message; says whether it passed.
    @return: C{load}, which gives a verdict on each message, and C{parse},
        which gives the number of messages parsed and the seconds it took.
    """
    corpus: list[list[bytes]] = []

    def load(messages: list[list[str]]) -> list[str]:
        corpus[:] = [[variant.encode() for variant in variants] for variants in messages]
        return [_verdict(parse, variants[0]) for variants in corpus]

    return {"load": load, "parse": lambda index, seconds: _timed(lambda: corpus[index], parse, seconds)}


def building(builders: Builders) -> Tasks:
    """
    Give the tasks of the benchmark C{build}.

    @param builders: What builds the messages.
    @return: C{prepare}, which takes the materials; C{sample}, which gives a
        message as it is built, and C{build}, which gives the number of
        messages built and the seconds it took.
    """
    given: list[Materials] = []

    def prepare(**materials: str) -> None:
        given[:] = [Materials(**materials)]

    def sample(name: str) -> str:
        before, build = builders[name]
        return build(before(given[0])).decode()

    def build(name: str, seconds: float) -> tuple[int, float]:
        before, build = builders[name]
        return _timed(lambda: [before(given[0]) for _ in range(16)], build, seconds)

    return {"prepare": prepare, "sample": sample, "build": build}


def _verdict(parse: Callable[[bytes], bool], message: bytes) -> str:
    try:
        return "" if parse(message) else "refused"
    except Exception as error:  # noqa: BLE001 - whatever an engine raises is its verdict
        return f"{type(error).__name__}: {error}"


def _timed(
    prepare: Callable[[], Sequence[_Input]], call: Callable[[_Input], object], seconds: float
) -> tuple[int, float]:
    calls = 0
    spent = 0.0
    while spent < seconds:
        inputs = prepare()
        begun = perf_counter()
        for each in inputs:
            call(each)
        spent += perf_counter() - begun
        calls += len(inputs)
    return calls, spent
