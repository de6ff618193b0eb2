"""
What the engines in Python share: taking orders, and timing a function.

An engine is a mapping of tasks to functions.  Most are made by L{parsing} and
L{building}, which add what is the same for all.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, TypeVar

__all__ = ["Tasks", "building", "parsing", "serve"]

Tasks = Mapping[str, Callable[..., Any]]
_Input = TypeVar("_Input")


def serve(tasks: Tasks) -> None:
    """
    Take orders from standard input until it ends.

    @param tasks: What can be ordered, and what does it.
    """
    # Some engines print.  What they print must not stand among the reports.
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        order = json.loads(line)
        reports.write(json.dumps(_report(tasks, order)) + "\n")
        reports.flush()


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

    return {"load": load, "parse": lambda index, seconds: _timed(parse, corpus[index], seconds)}


def building(builders: Mapping[str, Callable[[str], bytes]]) -> Tasks:
    """
    Give the tasks of the benchmark C{build}.

    @param builders: By name, what builds a message with a body.
    @return: C{sample}, which gives a message as it is built, and C{build},
        which gives the number of messages built and the seconds it took.
    """

    def sample(name: str, body: str) -> str:
        return builders[name](body).decode()

    def build(name: str, body: str, seconds: float) -> tuple[int, float]:
        return _timed(builders[name], [body] * 32, seconds)

    return {"sample": sample, "build": build}


def _report(tasks: Tasks, order: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": tasks[order.pop("do")](**order)}
    except Exception as error:  # noqa: BLE001 - whatever an engine raises is a report
        return {"error": f"{type(error).__name__}: {error}"}


def _verdict(parse: Callable[[bytes], bool], message: bytes) -> str:
    try:
        return "" if parse(message) else "refused"
    except Exception as error:  # noqa: BLE001 - whatever an engine raises is its verdict
        return f"{type(error).__name__}: {error}"


def _timed(
    function: Callable[[_Input], object], inputs: Sequence[_Input], seconds: float
) -> tuple[int, float]:
    calls = 0
    begun = perf_counter()
    while (spent := perf_counter() - begun) < seconds:
        for each in inputs:
            function(each)
        calls += len(inputs)
    return calls, spent
