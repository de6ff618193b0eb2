"""
L{Newcomer}: what a request outside of dialogs may begin, where the application listens for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from sipws.message import IncomingRequest

__all__ = ["Newcomer"]


@attrs.frozen
class Newcomer:
    """
    What the requests of a method begin.

    @ivar event: The event of the user agent that tells of it: without a
        listener there is no such thing.
    @ivar receive: Takes such a request, with what usages have of the user agent
        (L{sipws.dialog.IUsages}); returns what a handler may.
    @ivar methods: The methods of requests that come with it.
    @ivar optionTags: The option tags of extensions that it supports, in lower case.
    """

    event: str
    receive: Callable[[Any, IncomingRequest], object]
    methods: tuple[str, ...]
    optionTags: tuple[str, ...] = ()
