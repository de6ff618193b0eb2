"""
C{python -m examples.softphone}: a telephone in a web page, on this machine alone.

It wants JsSIP: C{npm install --ignore-scripts --prefix examples/softphone}
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from examples.softphone.server import Softphone


async def main(reactor: Any) -> None:
    """Start it, and say where the page is."""
    softphone = Softphone(reactor)
    await softphone.start()
    print(f"open {softphone.page}; end with Ctrl-C")
    await Deferred()


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
