"""
The configuration of a user agent: L{Configuration} and L{WsServer}.

Options are checked once, when a configuration is made, and cannot be changed
afterwards.  Every mistake is a L{sipws.errors.ConfigurationError} that names
the option and says what would be right, before anything starts.
"""

from __future__ import annotations

from sipws.config.configuration import Configuration
from sipws.config.http import HTTPProxy
from sipws.config.option import OptionRow
from sipws.config.wsserver import WsServer

__all__ = ["Configuration", "HTTPProxy", "OptionRow", "WsServer"]
