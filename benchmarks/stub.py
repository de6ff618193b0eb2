"""
The stub server's process, as the benchmarks start it.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["stubServer"]


@contextmanager
def stubServer() -> Iterator[str]:
    """
    Run L{benchmarks.stubserver} for as long as the C{with} block lasts.

    @return: Its URI.
    """
    command = [sys.executable, "-m", "benchmarks.stubserver"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"ws://127.0.0.1:{int(process.stdout.readline())}/"
        process.communicate()
