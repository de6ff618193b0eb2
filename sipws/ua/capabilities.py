"""
What a user agent says that it can do, and is: Allow, Accept, Supported, Server
and Date.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from sipws.config.optiontags import Where, supportedTags
from sipws.dialog.dialog import TARGET_REFRESH, asksForSIPS
from sipws.message.values import formatDate
from sipws.ua.newcomers import NEWCOMERS

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from sipws.message import OutgoingResponse
    from sipws.ua.agent import UserAgent
    from sipws.ua.identity import Identity
    from sipws.ua.newcomer import Newcomer
    from sipws.ua.rules import Handling
    from sipws.ua.usages import Usages

__all__ = ["Capabilities"]

#: Methods that RFC 3261 ties to an INVITE: allowed where INVITE is handled.
WITH_INVITE = ("ACK", "CANCEL", "BYE")


class Capabilities:
    """
    The part of L{sipws.ua.dispatch.Dispatcher} that says what there is.

    It follows from the configuration, from the handlers and the listeners of
    the application, and from the calls and subscriptions that there are.
    """

    __slots__ = ()

    identity: Identity
    usages: Usages | None
    _clock: IReactorTime
    _handlers: dict[str, Handling] | None
    _ua: UserAgent

    def allow(self) -> str:
        """Give the value of Allow (RFC 3261 section 20.5)."""
        return _allow(tuple(self._handlers or ()), *self._usageMethods())

    def _usageMethods(self) -> list[tuple[str, ...]]:
        """List the methods of requests that calls and subscriptions take, by what takes them."""
        hears = self._ua.hears
        methods = [newcomer.methods for newcomer in NEWCOMERS.values() if hears(newcomer.event)]
        return methods if self.usages is None else [self.usages.methods, *methods]

    def _welcomed(self) -> list[Newcomer]:
        """List what requests may begin, as the application listens for it."""
        return [newcomer for newcomer in NEWCOMERS.values() if self._ua.hears(newcomer.event)]

    def _isOfUsages(self, method: str) -> bool:
        """Say whether requests of a method are for calls or subscriptions."""
        return any(method in methods for methods in self._usageMethods())

    def accept(self) -> str:
        """Give the value of Accept (RFC 3261 section 20.1): what the handlers declare, or anything."""
        declared = [handling.accept for handling in (self._handlers or {}).values()]
        types = [kind for accept in declared for kind in accept or ("*/*",)]
        return ", ".join(dict.fromkeys(types)) or "*/*"

    def supported(self) -> Collection[str]:
        """Give the option tags that are supported, in lower case."""
        options = self.identity.configuration
        tags = [*supportedTags(options, Where.ALL)]
        further = [] if self.usages is None else [*self.usages.optionTags]
        further += (tag for newcomer in self._welcomed() for tag in newcomer.optionTags)
        if further:
            on = supportedTags(options, Where.CALL)
            tags += (tag for tag in further if tag in on)
        return list(dict.fromkeys(tag.lower() for tag in tags))

    def date(self) -> str:
        """Give the value of Date (RFC 3261 section 20.17): now."""
        return formatDate(datetime.fromtimestamp(self._clock.seconds(), UTC))

    def introduce(self, response: OutgoingResponse) -> None:
        """
        Add to a response that makes a dialog, or refreshes a target, where we are and what we take.

        @param response: The response; a header that it has takes the place of ours.
        """
        request = response.request
        if request.method not in TARGET_REFRESH or not 100 < response.statusCode < 300:
            return
        if not response.hasHeader("Contact"):
            # RFC 3261 section 12.1.1: "The UAS MUST add a Contact header field to the response"; "If the
            # request that initiated the dialog contained a SIPS URI [...], the Contact header field in
            # the response MUST be a SIPS URI."
            scheme = "sips" if asksForSIPS(request) else "sip"
            response.addHeader("Contact", self.identity.contactFor(scheme, dialog=True))
        if not response.hasHeader("Allow"):
            response.addHeader("Allow", self.allow())

    def sign(self, response: OutgoingResponse) -> None:
        """
        Add to a response what all of ours have.

        @param response: The response, complete but for this; a header that it
            has takes the place of ours.
        """
        options = self.identity.configuration
        if options.serverString and not response.hasHeader("Server"):
            response.addHeader("Server", options.serverString)
        if options.sendDate and not response.hasHeader("Date"):
            response.addHeader("Date", self.date())
        if options.gruu != "none" and response.statusCode < 300 and not response.hasHeader("Supported"):
            # RFC 5627 section 4.4: it belongs "in requests and responses".
            response.addHeader("Supported", ", ".join(supportedTags(options, Where.ALL)))


@lru_cache(maxsize=256)
def _allow(*takers: tuple[str, ...]) -> str:
    # Each call asks for it, and it seldom is another.
    methods = dict.fromkeys(("OPTIONS", "MESSAGE", *(method for each in takers for method in each)))
    if "INVITE" in methods:
        methods.update(dict.fromkeys(WITH_INVITE))
    return ", ".join(methods)
