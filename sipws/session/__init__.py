"""
Sessions: calls, set up with INVITE (RFC 3261 sections 13 to 15).

A session knows nothing of the user agent but what L{sipws.dialog.IUsages} says.
"""

from __future__ import annotations

from sipws.session.dtmf import DTMF
from sipws.session.incoming import Incoming
from sipws.session.offers import Offer
from sipws.session.outgoing import Invitation, Outgoing
from sipws.session.reference import Reference
from sipws.session.references import Outline
from sipws.session.referral import Referral
from sipws.session.session import Session
from sipws.session.values import SDP, Cause, Description, Termination

__all__ = [
    "DTMF",
    "SDP",
    "Cause",
    "Description",
    "Incoming",
    "Invitation",
    "Offer",
    "Outgoing",
    "Outline",
    "Reference",
    "Referral",
    "Session",
    "Termination",
]
