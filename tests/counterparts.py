"""
What tests need beside sipws: programs of others, which may not be installed.

A developer without them gets a skipped test that says how to have it run.  In
CI, where C{CI=true}, everything must be there: a test that was not run there
is a failure.
"""

from __future__ import annotations

import os

import pytest

__all__ = ["peersAreRequired", "requireCounterpart"]


def peersAreRequired() -> bool:
    """Whether nothing may go missing unnoticed: in CI, and where C{SIPWS_REQUIRE_PEERS} is set."""
    return bool(os.environ.get("SIPWS_REQUIRE_PEERS")) or os.environ.get("CI", "").lower() == "true"


def requireCounterpart(name: str, present: bool, how: str) -> None:
    """
    Go on only if something is installed.

    @param name: What is needed.
    @param present: Whether it is there.
    @param how: How to install it.
    """
    if present:
        return
    message = f"{name} is not installed: {how}"
    if peersAreRequired():
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
