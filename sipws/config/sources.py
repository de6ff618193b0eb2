"""
Where options come from beside keyword arguments: TOML files for all of them,
a file or an environment variable for the password.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Protocol

from sipws.errors import ConfigurationError

__all__ = ["HasPassword", "loadTOML", "readPassword"]

#: The longest password file that is read, in octets: a wrong path may name anything.
_MAX_PASSWORD_FILE = 4096


class HasPassword(Protocol):
    """The options that say where the password is."""

    @property
    def password(self) -> str | None:
        """The password itself."""

    @property
    def passwordFile(self) -> str | None:
        """The path of a file whose first line it is."""

    @property
    def passwordEnvironment(self) -> str | None:
        """The name of an environment variable that holds it."""


def loadTOML(path: str | os.PathLike[str], pathOptions: frozenset[str]) -> dict[str, Any]:
    """
    Read a TOML file.

    @param path: The file.
    @param pathOptions: The keys that are paths: relative ones are taken from
        the file's own folder.
    @raise ConfigurationError: It cannot be read, or is not TOML.
    """
    file = Path(path)
    try:
        options = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(str(path), f"is not UTF-8 at octet {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(str(path), f"is not TOML: {error}") from error
    for name in pathOptions & options.keys():
        if isinstance(options[name], str):
            options[name] = str(file.parent / Path(options[name]).expanduser())
    return options


def readPassword(options: HasPassword) -> str | None:
    """
    Give the password, wherever it is.

    @raise ConfigurationError: It is not where it should be.  No message shows it.
    """
    if options.passwordFile is not None:
        return _fromFile(options.passwordFile)
    if options.passwordEnvironment is not None:
        return _fromEnvironment(options.passwordEnvironment)
    return options.password


def _fromFile(path: str) -> str:
    with open(path, "rb") as file:
        octets = file.read(_MAX_PASSWORD_FILE + 1)
    if len(octets) > _MAX_PASSWORD_FILE:
        raise ConfigurationError("passwordFile", f"{path} is too long for a password")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        # The codec's own message would show the octet.
        raise ConfigurationError("passwordFile", f"{path} is not UTF-8") from None
    return _checked("passwordFile", path, text.partition("\n")[0].removesuffix("\r"))


def _fromEnvironment(name: str) -> str:
    if name not in os.environ:
        raise ConfigurationError("passwordEnvironment", f"there is no environment variable {name}")
    return _checked("passwordEnvironment", name, os.environ[name])


def _checked(option: str, place: str, password: str) -> str:
    if not password:
        raise ConfigurationError(option, f"{place} holds no password")
    return password
