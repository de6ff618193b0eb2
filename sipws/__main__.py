"""
C{python -m sipws}: the command line, where its script is not in the C{PATH}.
"""

from __future__ import annotations

from sipws.cli import main

if __name__ == "__main__":
    main(prog_name="python -m sipws")
