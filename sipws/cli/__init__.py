"""
The command line: C{sipws message}, C{sipws options} and C{sipws register}.

Each does one request against any server and says how it went, with the time
that each phase took; L{sipws.cli.status.ExitStatus} lists the exit statuses.
"""

from __future__ import annotations

from sipws.cli.command import main

__all__ = ["main"]
