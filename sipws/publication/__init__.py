"""
Publications (RFC 3903): event state that is kept at a server, for those who subscribe to it.
"""

from __future__ import annotations

from sipws.publication.machine import PUBLICATION, State
from sipws.publication.publication import Publication

__all__ = ["PUBLICATION", "Publication", "State"]
