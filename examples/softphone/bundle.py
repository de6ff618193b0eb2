"""
Makes one script for a browser of a module for Node.js and what it requires.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

__all__ = ["bundle"]

_REQUIRE = re.compile(r"""\brequire\(\s*(['"])([^'"]+)\1\s*\)""")

_LOADER = """(() => {
  const loaded = {};
  const load = (name) => {
    if (!loaded[name]) {
      const module = (loaded[name] = { exports: {} });
      const [define, wanted] = modules[name];
      define.call(module.exports, (each) => load(wanted[each]), module, module.exports);
    }
    return loaded[name].exports;
  };
  const modules = {
%s
  };
  globalThis[%s] = load(%s);
})();
"""


def bundle(package: str, variable: str, folder: Path) -> str:
    """
    Make a script.

    @param package: The package.
    @param variable: The global variable that is to hold what the package exports.
    @param folder: The folder C{node_modules} that it is in, with what it requires.
    @return: The script.
    """
    first = _find(package, folder, folder)
    found: dict[Path, str] = {}
    waiting = [first]
    while waiting:
        module = waiting.pop()
        if module not in found:
            text = module.read_text("utf-8")
            wanted = {each: _find(each, module.parent, folder) for _, each in _REQUIRE.findall(text)}
            found[module] = _define(module, text, wanted)
            waiting += wanted.values()
    return _LOADER % (",\n".join(found.values()), json.dumps(variable), json.dumps(str(first)))


def _define(module: Path, text: str, wanted: dict[str, Path]) -> str:
    body = f"module.exports = {text};" if module.suffix == ".json" else text
    names = json.dumps({each: str(path) for each, path in wanted.items()})
    return f"{json.dumps(str(module))}: [function (require, module, exports) {{\n{body}\n}}, {names}]"


def _find(name: str, beside: Path, folder: Path) -> Path:
    """Find a module as Node.js does, but for a browser where a package makes a difference."""
    path = (beside / name) if name.startswith(".") else folder / name
    return next(each.resolve() for each in (*_files(path), *_files(_main(path))) if each.is_file())


def _files(path: Path) -> tuple[Path, ...]:
    return path, Path(f"{path}.js"), path / "index.js"


def _main(package: Path) -> Path:
    """Give the main module of a package."""
    description = package / "package.json"
    said = json.loads(description.read_text("utf-8")) if description.is_file() else {}
    instead = said.get("browser")
    return package / (instead if isinstance(instead, str) else said.get("main", "index.js"))
