"""What the package shows of itself."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import sipws
from sipws import errors, interfaces

PACKAGE = Path(sipws.__file__).parent
MODULES = sorted(module.name for module in pkgutil.walk_packages([str(PACKAGE)], "sipws."))

#: A module is to be read in a sitting.
MAX_LINES = 500

ERRORS = {
    "CertificateRefused",
    "ConfigurationError",
    "Congested",
    "ConnectionFailed",
    "HandshakeRefused",
    "LimitExceeded",
    "NoServers",
    "NotConnected",
    "ParseError",
    "PeerSilent",
    "ProxyRefused",
    "PublicationError",
    "ReferralFailed",
    "RegistrationError",
    "SIPError",
    "SessionError",
    "SessionFailed",
    "SessionTerminated",
    "WrongMoment",
    "SubscriptionError",
    "TransactionCancelled",
    "TransactionError",
    "TransactionTimeout",
    "TransportError",
}

INTERFACES = {
    "ISessionDescriptionHandler",
    "IClientTransaction",
    "ITransactionTables",
    "ITransport",
    "ITransportConfiguration",
    "IUserAgent",
    "IWsServer",
}

OTHERS = {
    "Session",
    "Configuration",
    "IncomingRequest",
    "IncomingResponse",
    "Accounts",
    "Caller",
    "NameAddr",
    "OutgoingRequest",
    "OutgoingResponse",
    "Publication",
    "Notifier",
    "Subscription",
    "Transport",
    "URI",
    "UserAgent",
    "WsServer",
    "parseMessage",
    "sanityCheck",
}


def test_exportsJustTheseNames() -> None:
    submodules = {name.split(".")[1] for name in MODULES}
    public = {name for name in vars(sipws) if not name.startswith("_")} - submodules - {"annotations"}

    assert set(sipws.__all__) == ERRORS | INTERFACES | OTHERS
    assert public == set(sipws.__all__)


def test_exportsEveryErrorAndEveryInterface() -> None:
    """An error that is added to the tree is there for C{except} clauses at once."""
    assert set(errors.__all__) == ERRORS
    assert {name for name in interfaces.__all__ if name.startswith("I")} == INTERFACES


def test_theTreeInTheDocstringIsTheTreeOfErrors() -> None:
    """Each exception stands in the docstring under its base, as deep as it is in the tree."""
    lines = [
        line
        for line in (errors.__doc__ or "").splitlines()
        if line.startswith("    SIPError") or "+--" in line
    ]
    path: list[str] = []
    for line in lines:
        name = line.replace("|", " ").replace("+--", "   ").split()[0]
        depth = (line.index(name) - 4) // 5
        path = [*path[:depth], name]
        base = getattr(errors, name).__mro__[1].__name__
        assert base == (path[-2] if depth else "Exception"), name
    assert {line.replace("|", " ").replace("+--", "   ").split()[0] for line in lines} == ERRORS


def test_versionIsThatOfTheDistribution() -> None:
    assert sipws.__version__ == version("sipws")


@pytest.mark.parametrize("name", MODULES)
def test_eachModuleSaysWhatIsPublic(name: str) -> None:
    module = importlib.import_module(name)

    assert module.__doc__
    if not name.rpartition(".")[2].startswith("_"):
        for public in module.__all__:
            assert getattr(module, public) is not None


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_eachModuleCanBeReadInASitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


def test_importingThePackageChoosesNoReactor() -> None:
    """A program may still install a reactor of its choice; the edges may import the reactor only when run."""
    names = [name for name in MODULES if not name.startswith("sipws.cli")]
    program = f"import sys, {', '.join(names)}; sys.exit('twisted.internet.reactor' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_onlyTheEdgesImportTheReactor() -> None:
    importers = {path.name for path in PACKAGE.rglob("*.py") if _importsReactor(ast.parse(path.read_text()))}

    assert importers <= {"tap.py", "service.py", "command.py"}


def _importsReactor(tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "twisted.internet"
        and any(alias.name == "reactor" for alias in node.names)
        for node in ast.walk(tree)
    )
