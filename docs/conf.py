"""How the documentation is built: C{sphinx-build -W docs docs/_build/html}."""

from __future__ import annotations

import sys
from pathlib import Path

from sipws._version import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "sipws"
author = "The sipws authors"
copyright = "2026, The sipws authors"
version = release = __version__

extensions = ["sipws_tables", "pydoctor.sphinx_ext.build_apidocs"]
exclude_patterns = ["_build"]
nitpicky = True
highlight_language = "python3"

html_theme = "furo"
html_title = f"sipws {__version__}"

# The reference of the API: pydoctor reads epytext and shows the methods of zope
# interfaces, which autodoc leaves out.
pydoctor_args = [
    "--project-name=sipws",
    f"--project-version={__version__}",
    "--docformat=epytext",
    "--html-output={outdir}/api",
    f"--project-base-dir={HERE.parent}",
    "--privacy=HIDDEN:sipws.**._*",
    "--theme=readthedocs",
    str(HERE.parent / "sipws"),
]
