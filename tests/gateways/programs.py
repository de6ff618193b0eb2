"""
Real programs that stand between a user agent and its server: started on
loopback, with a configuration of their own, and killed in the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import attrs

__all__ = [
    "APACHE",
    "LIGHTTPD",
    "MICROSOCKS",
    "NGINX",
    "PASSWORD",
    "REALM",
    "TINYPROXY",
    "USER",
    "Program",
    "Running",
    "freePorts",
    "startApache",
    "startLighttpd",
    "startMicrosocks",
    "startNginx",
    "startTinyproxy",
]

#: Who may pass, where somebody asks.
USER, PASSWORD, REALM = "alice", "open-sesame", "gate"

#: How long a program may take to start, in seconds; most take 0.1.
_PATIENCE = 15.0

_APACHE_MODULES = Path("/usr/lib/apache2/modules")


@attrs.frozen
class Program:
    """
    A program of somebody else's.

    @ivar name: The name of its file.
    @ivar package: The Debian package that it comes in.
    """

    name: str
    package: str

    @property
    def path(self) -> str | None:
        """Where it is; C{None}: it is not installed."""
        # Debian keeps some where a user's PATH does not look.
        return shutil.which(self.name, path=os.environ.get("PATH", "") + ":/usr/sbin")

    @property
    def install(self) -> str:
        """How to install it."""
        return f"apt-get install -y --no-install-recommends {self.package}"


NGINX = Program("nginx", "nginx-light")
APACHE = Program("apache2", "apache2-bin")
LIGHTTPD = Program("lighttpd", "lighttpd")
TINYPROXY = Program("tinyproxy", "tinyproxy-bin")
MICROSOCKS = Program("microsocks", "microsocks")


@attrs.frozen
class Running:
    """
    A program that runs.

    @ivar ports: Where it listens.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    ports: Sequence[int]

    def log(self) -> str:
        """What it has said."""
        return "".join(path.read_text("utf-8", "replace") for path in sorted(self.folder.glob("*.log")))

    def kill(self) -> None:
        """Kill it and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def freePorts(count: int) -> list[int]:
    """Find ports that nobody listens on."""
    # Held together until all are known: no port is given twice.
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _run(program: Program, folder: Path, ports: Sequence[int], *arguments: object) -> Running:
    assert program.path is not None
    with (folder / f"{program.name}.out.log").open("ab") as log:
        # A process group of its own: its children are killed with it, and nobody else's.
        process = subprocess.Popen(
            [program.path, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    running = Running(process, folder, ports)
    deadline = time.monotonic() + _PATIENCE
    while not all(map(_accepts, ports)):
        assert process.poll() is None, f"{program.name} ended:\n{running.log()}"
        if time.monotonic() > deadline:
            running.kill()
            raise AssertionError(f"{program.name} does not listen:\n{running.log()}")
        time.sleep(0.02)
    return running


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    # Some of them read it as another user.
    path.chmod(0o644)
    return path


_NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log info;
{user}
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    absolute_redirect off;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    ssl_client_certificate {folder}/clients.pem;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
    server {{
        listen 127.0.0.1:{ws};
        include {folder}/locations;
    }}
    server {{
        listen 127.0.0.1:{wss} ssl;
        include {folder}/locations;
    }}
    server {{
        listen 127.0.0.1:{mutual} ssl;
        ssl_verify_client on;
        include {folder}/locations;
    }}
}}
"""

_LOCATIONS = """
location / {{ proxy_pass http://127.0.0.1:{to}; }}
location /basic {{
    auth_basic "{realm}";
    auth_basic_user_file {folder}/passwords;
    proxy_pass http://127.0.0.1:{to};
}}
location /bearer {{
    if ($http_authorization != "Bearer {token}") {{
        add_header WWW-Authenticate 'Bearer realm="{realm}"' always;
        return 401;
    }}
    proxy_pass http://127.0.0.1:{to};
}}
location /keyed {{
    if ($http_x_key != "{token}") {{ return 403; }}
    proxy_pass http://127.0.0.1:{to};
}}
location = /moved {{ return 302 /keyed; }}
location = /loop {{ return 302 /loop; }}
location = /secure {{ return 307 https://localhost:{wss}/stranger; }}
location = /insecure {{ return 307 http://localhost:{ws}/; }}
location = /mutual {{ return 307 https://localhost:{mutual}/; }}
# Whoever comes here from another origin is to bring nothing that was meant for that one.
location /stranger {{
    if ($http_authorization) {{ return 418; }}
    if ($http_cookie) {{ return 418; }}
    if ($http_x_key) {{ return 418; }}
    proxy_pass http://127.0.0.1:{to};
}}
location = /login {{
    add_header Set-Cookie "node=7; Path=/; HttpOnly" always;
    return 303 /member;
}}
location /member {{
    if ($cookie_node != "7") {{ return 403; }}
    if ($cookie_session != "{token}") {{ return 403; }}
    proxy_pass http://127.0.0.1:{to};
}}
"""


def startNginx(folder: Path, to: int, token: str) -> Running:
    """
    Start nginx, with C{server.pem}, C{server.key} and C{clients.pem} in the folder.

    @param to: The port of the WebSocket server that it stands before.
    @param token: What it takes as a token, a key and a session.
    @return: Its ports: for ws, for wss, and for wss with a certificate of the client's.
    """
    ports = freePorts(3)
    values = dict(zip(("ws", "wss", "mutual"), ports, strict=True)) | {
        "folder": folder,
        "to": to,
        "token": token,
        "realm": REALM,
        "user": "user root;" if os.geteuid() == 0 else "",
    }
    digest = b64encode(hashlib.sha1(PASSWORD.encode()).digest()).decode()
    _write(folder, "passwords", f"{USER}:{{SHA}}{digest}\n")
    _write(folder, "locations", _LOCATIONS.format(**values))
    configuration = _write(folder, "nginx.conf", _NGINX.format(**values))
    return _run(NGINX, folder, ports, "-p", folder, "-c", configuration, "-e", folder / "nginx.log")


_APACHE = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.log
LogLevel info
DefaultRuntimeDir {folder}
{user}
Listen 127.0.0.1:{port}
{modules}
<Location />
    AuthType Digest
    AuthName "{realm}"
    AuthDigestProvider file
    AuthDigestNonceLifetime {lifetime}
    AuthUserFile {folder}/digests
    Require valid-user
</Location>
ProxyPass / ws://127.0.0.1:{to}/
"""

_APACHE_WANTS = (
    "mpm_event",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_user",
    "auth_digest",
    "proxy",
    "proxy_wstunnel",
)


def startApache(folder: Path, to: int, lifetime: int = 300) -> Running:
    """
    Start Apache, which asks for credentials by Digest.

    @param to: The port of the WebSocket server that it stands before.
    @param lifetime: How long its nonces are good for, in seconds.
    """
    [port] = ports = freePorts(1)
    key = hashlib.md5(f"{USER}:{REALM}:{PASSWORD}".encode(), usedforsecurity=False).hexdigest()
    _write(folder, "digests", f"{USER}:{REALM}:{key}\n")
    modules = "\n".join(f"LoadModule {each}_module {_APACHE_MODULES}/mod_{each}.so" for each in _APACHE_WANTS)
    text = _APACHE.format(
        folder=folder,
        port=port,
        modules=modules,
        realm=REALM,
        lifetime=lifetime,
        to=to,
        user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
    )
    configuration = _write(folder, "apache.conf", text)
    return _run(APACHE, folder, ports, "-d", folder, "-f", configuration, "-D", "FOREGROUND")


_LIGHTTPD = """
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{folder}"
server.errorlog = "{folder}/lighttpd.log"
server.modules = ("mod_auth", "mod_authn_file", "mod_proxy")
auth.backend = "htdigest"
auth.backend.htdigest.userfile = "{folder}/sha256"
auth.require = ("" => (
    "method" => "digest", "algorithm" => "{algorithms}", "realm" => "{realm}", "require" => "valid-user"
))
proxy.server = ("" => (("host" => "127.0.0.1", "port" => {to})))
proxy.header = ("upgrade" => "enable")
"""


def startLighttpd(folder: Path, to: int, algorithms: str) -> Running:
    """
    Start lighttpd, which asks for credentials by Digest.

    @param to: The port of the WebSocket server that it stands before.
    @param algorithms: The algorithms that it offers, with C{|} between them.
    """
    [port] = ports = freePorts(1)
    key = hashlib.sha256(f"{USER}:{REALM}:{PASSWORD}".encode()).hexdigest()
    _write(folder, "sha256", f"{USER}:{REALM}:{key}\n")
    text = _LIGHTTPD.format(folder=folder, port=port, to=to, realm=REALM, algorithms=algorithms)
    return _run(LIGHTTPD, folder, ports, "-D", "-f", _write(folder, "lighttpd.conf", text))


_TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 60
LogLevel Info
LogFile "{folder}/tinyproxy.log"
MaxClients 20
Allow 127.0.0.1
BasicAuth {user} {password}
{connect}
"""


def startTinyproxy(folder: Path, *mayReach: int) -> Running:
    """
    Start an HTTP proxy that asks for credentials.

    @param mayReach: The ports that it leads to.
    """
    [port] = ports = freePorts(1)
    text = _TINYPROXY.format(
        folder=folder,
        port=port,
        user=USER,
        password=PASSWORD,
        connect="\n".join(f"ConnectPort {each}" for each in mayReach),
    )
    configuration = _write(folder, "tinyproxy.conf", text)
    return _run(TINYPROXY, folder, ports, "-d", "-c", configuration)


def startMicrosocks(folder: Path) -> Running:
    """Start a SOCKS5 proxy."""
    [port] = ports = freePorts(1)
    return _run(MICROSOCKS, folder, ports, "-i", "127.0.0.1", "-p", port)
