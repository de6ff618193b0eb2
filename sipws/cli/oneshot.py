"""A user agent that lives for one request, and how each of its phases went."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sipws.cli.status import ExitStatus
from sipws.errors import NoServers, SIPError, TransportError
from sipws.transport.locate import MAX_TARGETS
from sipws.ua import UserAgent

if TYPE_CHECKING:
    from sipws.cli.report import Report
    from sipws.config import Configuration
    from sipws.message import IncomingRequest, IncomingResponse

__all__ = ["Ended", "OneShot"]

T = TypeVar("T")

_SUCCESS = range(200, 300)


class Ended(Exception):
    """
    There is nothing more to do.

    @ivar status: The exit status.
    @ivar problem: What went wrong, for standard error; empty where the report says it already.
    """

    def __init__(self, status: ExitStatus, problem: str = "") -> None:
        self.status = status
        self.problem = problem
        super().__init__(problem)


class OneShot:
    """
    Connects a user agent, lets it do one thing, and stops it.

    @ivar userAgent: The user agent.
    @ivar report: What each phase is told to.
    @ivar timeout: How long each phase may take, in seconds.
    """

    def __init__(self, configuration: Configuration, reactor: Any, report: Report, timeout: float) -> None:
        self.userAgent = UserAgent(configuration, reactor)
        self.report = report
        self.timeout = timeout
        self._clock: IReactorTime = reactor
        self._interrupted = False
        self._stopping = False

    async def run(self, act: Callable[[OneShot], Awaitable[None]]) -> ExitStatus:
        """
        Do it all.

        @param act: What to do once connected, and registered where the
            configuration says so.  It raises L{Ended} when it went wrong.
        @return: The exit status.
        """
        try:
            await self._connect()
            if self.userAgent.configuration.register:
                await self._register()
            await act(self)
            return ExitStatus.SUCCESS
        except Ended as ended:
            if self._interrupted:
                return ExitStatus.INTERRUPTED
            if ended.problem:
                self.report.complain(ended.problem)
            return ended.status
        except defer.CancelledError:
            return ExitStatus.INTERRUPTED
        finally:
            self._stopping = True
            await self.userAgent.stop()

    def interrupt(self, running: Deferred[ExitStatus]) -> Deferred[ExitStatus]:
        """
        Give it up.

        @param running: What L{run} came to be.
        @return: The same, which fires when all is closed.
        """
        if not self._stopping:
            self._interrupted = True
            running.cancel()
        return running

    async def request(self, method: str, sent: Callable[[], Deferred[IncomingResponse]]) -> IncomingResponse:
        """
        Send a request and report its final response.

        @param method: Its method.
        @param sent: Sends it.
        @raise Ended: There was no response, or it was not a 2xx.
        """
        start = self._clock.seconds()
        try:
            response = await self._inTime(sent())
        except defer.TimeoutError:
            raise Ended(
                ExitStatus.TIMED_OUT, f"no final response to {method} in {self.timeout:g} s"
            ) from None
        except SIPError as error:
            raise Ended(ExitStatus.TIMED_OUT, f"no final response to {method}: {error}") from error
        self._answered(method, start, response)
        return response

    async def answer(self, messages: Deferred[IncomingRequest], seconds: float) -> None:
        """
        Wait for a MESSAGE in answer, and print it.

        @param messages: Fires with it.
        @param seconds: How long to wait.
        @raise Ended: None came.
        """
        start = self._clock.seconds()
        try:
            request = await messages.addTimeout(seconds, self._clock)
        except defer.TimeoutError:
            raise Ended(ExitStatus.NO_ANSWER, f"no answer in {seconds:g} s") from None
        self.report.phase("answer", self._clock.seconds() - start)
        self.report.message(str(request.fromHeader.uri), request.body.decode("utf-8", "replace"))

    async def _connect(self) -> None:
        options = self.userAgent.configuration
        names = (
            ", ".join(server.ws_uri for server in options.wsServers) or f"the servers of {options.wsDomain}"
        )
        self.report.say(f"{names} as {options.uri}")
        self.userAgent.on("disconnected", self._givenUp)
        # How many servers a domain has is known to nobody yet.
        connected = self.userAgent.whenConnected(len(options.wsServers) or MAX_TARGETS)
        self.userAgent.start()
        try:
            await self._inTime(connected)
        except defer.TimeoutError:
            raise Ended(ExitStatus.NOT_CONNECTED, f"no connection in {self.timeout:g} s") from None
        except NoServers as error:
            raise Ended(ExitStatus.NOT_CONNECTED, str(error)) from None
        except TransportError:
            # Each server that was given up has been reported.
            raise Ended(ExitStatus.NOT_CONNECTED) from None
        else:
            self._reportPhases()
        finally:
            # When the user agent is stopped it is told of the end of its connection, too.
            self.userAgent.remove_listener("disconnected", self._givenUp)

    def _givenUp(self, transport: Any) -> None:
        """Say how far the connection to a server got, and what ended it."""
        self._reportPhases()
        self.report.complain(f"{transport.server.ws_uri}: {transport.lastTransportError}")

    def _reportPhases(self) -> None:
        transport: Any = self.userAgent.transport
        if transport is not None:
            for name in ("resolve", "tcp", "tls", "upgrade"):
                self.report.phase(name, getattr(transport.timings, name))

    async def _register(self) -> None:
        start = self._clock.seconds()
        outcome: Deferred[tuple[IncomingResponse | None, str]] = Deferred()

        def settle(response: IncomingResponse | None, cause: str = "") -> None:
            if not outcome.called:
                outcome.callback((response, cause))

        self.userAgent.on("registered", settle)
        self.userAgent.on("registrationFailed", settle)
        try:
            response, cause = await self._inTime(outcome)
        except defer.TimeoutError:
            raise Ended(ExitStatus.TIMED_OUT, f"not registered in {self.timeout:g} s") from None
        if response is None:
            raise Ended(ExitStatus.TIMED_OUT, f"not registered: {cause}")
        self._answered("REGISTER", start, response)
        if cause:
            # A 2xx may lack our binding.
            raise Ended(ExitStatus.REFUSED, f"not registered: {cause}")

    def _answered(self, method: str, start: float, response: IncomingResponse) -> None:
        outcome = f"{response.statusCode} {response.reasonPhrase}"
        good = response.statusCode in _SUCCESS
        self.report.phase(method, self._clock.seconds() - start, outcome, "green" if good else "red")
        if not good:
            raise Ended(ExitStatus.REFUSED)

    def _inTime(self, deferred: Deferred[T]) -> Deferred[T]:
        return deferred.addTimeout(self.timeout, self._clock, lambda result, seconds: _timedOut(seconds))


def _timedOut(seconds: float) -> Failure:
    """Give what a Deferred that was cancelled for its time is to fail with, whatever its canceller says."""
    return Failure(defer.TimeoutError(seconds, "Deferred"))
