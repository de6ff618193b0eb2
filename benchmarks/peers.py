"""
The engines that are compared, and where they are found.

Modules of Node.js are looked for in the folders of C{NODE_PATH} and in
C{benchmarks/node_modules}.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import attrs

__all__ = ["JSSIP", "SIPJS", "SIPMESSAGE", "SIPPY", "SIPWS", "TWISTED", "Peer"]

_FOLDER = Path(__file__).parent
_PIP = "pip install -e '.[bench]'"
_NPM = "npm i --ignore-scripts --prefix benchmarks"


@attrs.frozen
class Peer:
    """
    An engine.

    @ivar name: Its name, and its version where that is fixed.
    @ivar short: The head of its column.
    @ivar engine: Its module in L{benchmarks.engines}, without suffix.
    @ivar modules: The modules that it needs, as its language imports them.
    @ivar node: Whether it runs in Node.js.
    @ivar install: The command that installs what it needs.
    """

    name: str
    short: str
    engine: str
    modules: tuple[str, ...]
    node: bool = False
    install: str = _PIP

    def missing(self) -> str | None:
        """
        Say what this engine needs and cannot find.

        @return: What is missing; C{None} if nothing is.
        """
        if not self.node:
            absent = [name for name in self.modules if importlib.util.find_spec(name) is None]
        elif shutil.which("node") is None:
            return "Node.js"
        else:
            absent = [name for name in self.modules if _nodeModule(name) is None]
        return ", ".join(absent) or None

    def command(self) -> list[str]:
        """
        Give the command that runs this engine.

        @return: The program and its arguments.
        """
        if not self.node:
            return [sys.executable, "-m", "benchmarks.engines", self.engine]
        return ["node", "--expose-gc", str(_FOLDER / "engines" / f"{self.engine}.js")]

    def environment(self) -> dict[str, str]:
        """
        Give the environment that it runs in: Node.js is told where modules are.

        @return: Names and values.
        """
        return {**os.environ, "NODE_PATH": os.pathsep.join(str(folder) for folder in _nodeFolders())}


def _nodeFolders() -> list[Path]:
    given = [Path(folder) for folder in os.environ.get("NODE_PATH", "").split(os.pathsep) if folder]
    return [*given, _FOLDER / "node_modules"]


def _nodeModule(name: str) -> Path | None:
    places = (folder / name / "package.json" for folder in _nodeFolders())
    return next((place for place in places if place.exists()), None)


SIPWS = Peer(
    name="sipws", short="sipws", engine="sipws_engine", modules=("sipws",), install="pip install -e ."
)
JSSIP = Peer(
    name="JsSIP 3.13.8", short="JsSIP", engine="jssip", modules=("jssip", "ws"), node=True, install=_NPM
)
SIPJS = Peer(
    name="SIP.js 0.7.8",
    short="SIP.js 0.7",
    engine="sipjs",
    modules=("sipjs07",),
    node=True,
    install=_NPM,
)
SIPPY = Peer(name="sippy", short="sippy", engine="sippy_engine", modules=("sippy",))
SIPMESSAGE = Peer(name="sipmessage", short="sipmessage", engine="sipmessage_engine", modules=("sipmessage",))
TWISTED = Peer(name="twisted.protocols.sip", short="twisted", engine="twisted_engine", modules=("twisted",))
