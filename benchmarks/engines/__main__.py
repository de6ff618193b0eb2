"""Run an engine: C{python -m benchmarks.engines NAME}, driven by L{benchmarks.workers}."""

from __future__ import annotations

import importlib
import sys

from benchmarks.engines.loop import serve

if __name__ == "__main__":
    serve(importlib.import_module(f"benchmarks.engines.{sys.argv[1]}").engine())
