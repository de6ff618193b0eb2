"""C{python -m sipws.cli}."""

from __future__ import annotations

from sipws.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main(prog_name="sipws")
