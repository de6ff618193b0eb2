"""
The programs that are measured, one a module: C{*_engine.py} in Python, C{*.js} in Node.js.

Each does what L{benchmarks.workers} tells it; C{loop.py} and C{loop.js} are
what they share.
"""
