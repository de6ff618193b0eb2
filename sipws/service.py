"""
User agents and the embedded server as services (C{twisted.application.service}).

In a C{.tac} file::

    application = Application("bot")
    UserAgentService(Configuration.fromTOML("bot.toml"), bot).setServiceParent(application)
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, cast

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipws.config import Configuration
from sipws.listening import ListeningService, resultOf
from sipws.server import EmbeddedServer
from sipws.ua import UserAgent

__all__ = ["Application", "EmbeddedServerService", "SequentialService", "UserAgentService"]

_log = Logger(namespace="sip.service")

#: What makes a bot of a user agent: it is called with it before it starts, and adds handlers and listeners.
Application = Callable[[UserAgent], object]


class UserAgentService(Service):
    """
    Runs a user agent as long as the service runs.

    @ivar configuration: The user agent's configuration.
    @ivar userAgent: The user agent while the service runs; otherwise C{None}.
    """

    def __init__(self, configuration: Configuration, application: Application, reactor: Any = None) -> None:
        """
        @param configuration: For the user agent.
        @param application: Called with the user agent each time before it starts.
        @param reactor: The reactor, which is the user agent's clock too.
            C{None} means the one that runs the process: a service in a
            C{.tac} file cannot be handed another.
        """
        self.configuration = configuration
        self.userAgent: UserAgent | None = None
        self._application = application
        self._reactor = reactor

    def startService(self) -> None:
        """
        Make the user agent, hand it to the application and start it.

        Whatever the application raises is raised, and nothing has started then.
        """
        userAgent = UserAgent(self.configuration, self._reactor or _processReactor())
        _logEvents(userAgent)
        self._application(userAgent)
        super().startService()
        self.userAgent = userAgent
        userAgent.start()

    def stopService(self) -> Deferred[None]:
        """
        Unregister, finish what is open and close.

        @return: A Deferred that fires when it is done, after
            C{configuration.stopTimeout} seconds at the latest.
        """
        super().stopService()
        userAgent, self.userAgent = self.userAgent, None
        return succeed(None) if userAgent is None else userAgent.stop()


class EmbeddedServerService(ListeningService):
    """
    Runs the embedded server as long as the service runs.

    @ivar server: The server.
    @ivar port: What it listens on while the service runs; otherwise C{None}.
    """

    def __init__(
        self,
        server: EmbeddedServer,
        endpoints: Sequence[IStreamServerEndpoint],
        listening: Callable[[IListeningPort], object] = lambda port: None,
    ) -> None:
        """
        @param server: The server.
        @param endpoints: Where to listen: on the first of them that is free.
        @param listening: Called with the port when it listens.
        """
        self.server = server
        self._endpoints = endpoints
        self._listening = listening

    def _listen(self) -> None:
        for endpoint in self._endpoints[:-1]:
            try:
                self._listenOn(endpoint)
                return
            except CannotListenError as error:
                _log.info("{reason}; trying another port", reason=error)
        self._listenOn(self._endpoints[-1])

    def _listenOn(self, endpoint: IStreamServerEndpoint) -> None:
        self.port = resultOf(self.server.listen(endpoint))
        self._listening(self.port)

    def _close(self, port: IListeningPort) -> Deferred[None]:
        """Close all connections and stop listening."""
        return self.server.stop()


class SequentialService(MultiService):
    """
    Services that need one another: started in the order in which they were
    added, and stopped one after the other in reverse.
    """

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        """
        Stop each service when those that were added after it have stopped.

        @return: A Deferred that fires when all have stopped.  A service that
            fails to stop does not keep the others from it; the first
            failure is the result.
        """
        Service.stopService(self)
        failures: list[Failure] = []

        def failed(failure: Failure) -> None:
            failures.append(failure)

        for service in reversed(list(self)):
            yield maybeDeferred(service.stopService).addErrback(failed)
        if failures:
            failures[0].raiseException()


def _logEvents(userAgent: UserAgent) -> None:
    """Tell the operator what becomes of a registration, and not of each of its refreshes."""
    uri = str(userAgent.configuration.uri)
    registered = False

    def onRegistered(response: Any) -> None:
        nonlocal registered
        if not registered:
            _log.info("{uri} is registered on {server}", uri=uri, server=response.transport.peer)
        registered = True

    def onUnregistered(response: Any, cause: str | None) -> None:
        nonlocal registered
        registered = False
        _log.info("{uri} is unregistered{why}", uri=uri, why=_because(response, cause))

    def onFailed(response: Any, cause: str | None) -> None:
        _log.warn("{uri} could not register{why}", uri=uri, why=_because(response, cause))

    userAgent.on("registered", onRegistered)
    userAgent.on("unregistered", onUnregistered)
    userAgent.on("registrationFailed", onFailed)


def _because(response: Any, cause: str | None) -> str:
    if response is not None and response.statusCode in range(200, 300):
        return ""
    reason = cause if response is None else f"{response.statusCode} {response.reasonPhrase}"
    return f": {reason}" if reason else ""


def _processReactor() -> Any:
    from twisted.internet import reactor

    return cast("Any", reactor)
