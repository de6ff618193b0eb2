"""
The programs that are measured, one a module: C{*_engine.py} in Python, C{*.js} in Node.js.

Each does what L{benchmarks.workers} tells it; C{loop.py} and
C{timing.py}, and C{loop.js} and C{exchange.js}, are what they share.
"""
