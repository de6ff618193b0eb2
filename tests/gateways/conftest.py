"""Fixtures: gateways and proxies that run, before a Kamailio that runs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import attrs
import pytest

from tests.counterparts import requireCounterpart
from tests.gateways import programs
from tests.gateways.programs import Running
from tests.kamailio.conftest import agents, kamailio, startKamailio
from tests.kamailio.counterpart import Kamailio
from tests.transport.certificates import Authority, Identity

__all__ = ["agents", "kamailio", "startKamailio"]

#: What the gateways take as a token, a key and a session.
TOKEN = "mF_9.B5f-4.1JqM"

Start = Callable[..., Running]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that programs can read whose user is not the one who runs the tests."""
    made = Path(tempfile.mkdtemp(prefix="sipws-gateway-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def running() -> Iterator[list[Running]]:
    """The programs that run; they are killed in the end."""
    started: list[Running] = []
    yield started
    for program in started:
        program.kill()


@attrs.frozen
class Nginx:
    """
    An nginx before Kamailio.

    @ivar caFile: The certificate of the authority that signed its own.
    @ivar clients: The authority whose certificates it takes of clients.
    """

    program: Running
    caFile: str
    clients: Authority

    def uri(self, kind: str, path: str = "/") -> str:
        """The URI for C{ws}, C{wss}, or C{mutual}: wss with a certificate of the client's."""
        ports = dict(zip(("ws", "wss", "mutual"), self.program.ports, strict=True))
        return f"{'ws' if kind == 'ws' else 'wss'}://localhost:{ports[kind]}{path}"

    def asked(self) -> list[str]:
        """The status codes that it has answered with, in order."""
        lines = (self.program.folder / "access.log").read_text().splitlines()
        return [line.split('"')[2].split()[0] for line in lines]


@pytest.fixture
def nginx(folder: Path, kamailio: Kamailio, running: list[Running]) -> Nginx:
    """An nginx before Kamailio."""
    requireCounterpart("nginx", programs.NGINX.path is not None, programs.NGINX.install)
    servers, clients = Authority("servers"), Authority("clients")
    caFile = servers.write(folder, "ca.pem", servers.certificatePEM)
    _install(folder, "server", servers.issue(["localhost"]))
    clients.write(folder, "clients.pem", clients.certificatePEM)
    running.append(programs.startNginx(folder, kamailio.ws, TOKEN))
    return Nginx(running[-1], caFile, clients)


def _install(folder: Path, name: str, identity: Identity) -> None:
    identity.write(folder, f"{name}.pem", identity.certificatePEM)
    identity.write(folder, f"{name}.key", identity.keyPEM)


@pytest.fixture
def startApache(folder: Path, kamailio: Kamailio, running: list[Running]) -> Start:
    """Give a function that starts an Apache before Kamailio, which asks for credentials by Digest."""
    requireCounterpart("Apache", programs.APACHE.path is not None, programs.APACHE.install)

    def start(lifetime: int = 300) -> Running:
        running.append(programs.startApache(folder, kamailio.ws, lifetime))
        return running[-1]

    return start


@pytest.fixture
def startLighttpd(folder: Path, kamailio: Kamailio, running: list[Running]) -> Start:
    """Give a function that starts a lighttpd before Kamailio, which asks for credentials by Digest."""
    requireCounterpart("lighttpd", programs.LIGHTTPD.path is not None, programs.LIGHTTPD.install)

    def start(algorithms: str) -> Running:
        running.append(programs.startLighttpd(folder, kamailio.ws, algorithms))
        return running[-1]

    return start


@pytest.fixture
def startTinyproxy(folder: Path, running: list[Running]) -> Start:
    """Give a function that starts an HTTP proxy, which leads to the ports that it is given."""
    requireCounterpart("tinyproxy", programs.TINYPROXY.path is not None, programs.TINYPROXY.install)

    def start(*mayReach: int) -> Running:
        running.append(programs.startTinyproxy(folder, *mayReach))
        return running[-1]

    return start


@pytest.fixture
def tinyproxy(kamailio: Kamailio, startTinyproxy: Start) -> Running:
    """An HTTP proxy that leads to Kamailio."""
    return startTinyproxy(kamailio.ws, kamailio.wss)


@pytest.fixture
def microsocks(folder: Path, running: list[Running]) -> Running:
    """A SOCKS5 proxy."""
    requireCounterpart("txtorcon", find_spec("txtorcon") is not None, "pip install 'sipws[socks]'")
    requireCounterpart("microsocks", programs.MICROSOCKS.path is not None, programs.MICROSOCKS.install)
    running.append(programs.startMicrosocks(folder))
    return running[-1]
