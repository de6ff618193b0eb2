"""
A real Kamailio on loopback: started, killed and asked for its location table.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trustme

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["INSTALL", "PASSWORDS", "Kamailio", "isInstalled"]

INSTALL = (
    "apt-get install -y --no-install-recommends"
    " kamailio kamailio-websocket-modules kamailio-tls-modules kamailio-outbound-modules"
    " kamailio-presence-modules"
)

PASSWORDS = {"alice": "alicepw", "bob": "bobpw", "dave": "dävepw€", "o'neil": 'pw with space " q'}

_TEMPLATES = Path(__file__).parent
_TLS = """[server:default]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
certificate = {run}/server.pem
private_key = {run}/server.key
"""

#: How long Kamailio may take to start, in seconds; 0.1 is usual.
_PATIENCE = 15.0


def isInstalled(*further: str) -> bool:
    """
    Say whether Kamailio, its client and the modules that the tests use are there.

    @param further: Modules that not all of them use.
    """
    modules = _modules()
    return (
        shutil.which("kamailio", path=_path()) is not None
        and shutil.which("kamcmd", path=_path()) is not None
        and modules is not None
        and all((modules / name).exists() for name in ("websocket.so", "tls.so", *further))
    )


@attrs.define
class Kamailio:
    """
    A Kamailio of our own: its ports and certificates stay the same over restarts.

    @ivar folder: Where its files are.
    @ivar switches: What its configuration is to define.
    @ivar template: The configuration.
    @ivar places: Further ports that it is to know, by what stands for them in the configuration.
    @ivar ws: Its port for C{ws}.
    @ivar wss: Its port for C{wss}.
    """

    folder: Path
    switches: Sequence[str] = ()
    template: str = "kamailio.cfg"
    places: Mapping[str, int] = attrs.field(factory=dict)
    ws: int = attrs.field(init=False)
    wss: int = attrs.field(init=False)
    _process: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.ws, self.wss = _freePorts(2)
        authority = trustme.CA(organization_name="sipws tests")
        authority.cert_pem.write_to_path(self.caFile)
        certificate = authority.issue_cert("localhost", "127.0.0.1", "example.test")
        chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        (self.folder / "server.pem").write_bytes(chain)
        certificate.private_key_pem.write_to_path(self.folder / "server.key")
        (self.folder / "tls.cfg").write_text(_TLS.format(run=self.folder))
        values = {"WS": self.ws, "WSS": self.wss, "RUN": self.folder, "MODULES": _modules(), **self.places}
        template = (_TEMPLATES / self.template).read_text(encoding="utf-8")
        text = re.sub("@([A-Z]+)@", lambda found: str(values[found[1]]), template)
        (self.folder / "kamailio.cfg").write_text(text, encoding="utf-8")

    @property
    def caFile(self) -> Path:
        """The certificate of the authority that signed Kamailio's."""
        return self.folder / "ca.pem"

    def uri(self, scheme: str) -> str:
        """The WebSocket URI for C{ws} or C{wss}."""
        return f"ws://127.0.0.1:{self.ws}" if scheme == "ws" else f"wss://localhost:{self.wss}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        assert self._process is None
        kamailio = shutil.which("kamailio", path=_path())
        assert kamailio is not None
        command = [
            kamailio,
            "-f",
            str(self.folder / "kamailio.cfg"),
            "-Y",
            str(self.folder),
            "-DD",
            "-E",
            "-e",
        ]
        for switch in self.switches:
            command += ["-A", switch]
        with (self.folder / "log").open("ab") as log:
            # A process group of its own: its children are killed with it, and nobody else's.
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + _PATIENCE
        while not (_accepts(self.ws) and _accepts(self.wss) and (self.folder / "ctl.sock").exists()):
            assert self._process.poll() is None, f"Kamailio ended:\n{self.log()}"
            assert time.monotonic() < deadline, f"Kamailio does not listen:\n{self.log()}"
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it and its children, as a crash would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            (self.folder / "ctl.sock").unlink(missing_ok=True)

    def freeze(self) -> None:
        """Stop it and its children where they are; the system goes on taking connections for them."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def locations(self) -> dict[str, list[str]]:
        """Ask for the location table: the contacts by address of record."""
        kamcmd = shutil.which("kamcmd", path=_path())
        assert kamcmd is not None
        command = [kamcmd, "-s", f"unix:{self.folder}/ctl.sock", "ul.dump"]
        dump = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        table: dict[str, list[str]] = {}
        for name, value in re.findall(r"^\s*(AoR|Address): (.*)$", dump, re.MULTILINE):
            if name == "AoR":
                contacts = table.setdefault(value, [])
            else:
                contacts.append(value)
        return table

    def log(self) -> str:
        """Its log so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")


def _path() -> str:
    # Debian keeps it where a user's PATH does not look.
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def _modules() -> Path | None:
    places = [Path("/usr/local/lib/kamailio/modules"), *Path("/usr/lib").glob("*/kamailio/modules")]
    return next((place for place in places if place.is_dir()), None)


def _freePorts(count: int) -> list[int]:
    # Held together until all are known: no port is given twice.
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
