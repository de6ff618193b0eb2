"""
Where options come from beside keyword arguments: TOML files for all of them,
a file or an environment variable for each secret.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from sipws.config.http import isToken68
from sipws.errors import ConfigurationError

__all__ = ["SECRETS", "loadTOML", "readSecret"]

#: The options that hold a secret, and what it is.  Each has two more beside it, which say where
#: else the secret is: C{...File} and C{...Environment}.
SECRETS = {"password": "password", "httpPassword": "password", "httpToken": "bearer token"}

#: The longest file with a secret that is read, in octets: a wrong path may name anything.
_MAX_FILE = 4096


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


def readSecret(options: object, name: str) -> str | None:
    """
    Give a secret, wherever it is.

    @param options: What has the three options as attributes.
    @param name: The name of the first of them, one of L{SECRETS}.
    @raise ConfigurationError: It is not where it should be.  No message shows it.
    """
    path = getattr(options, f"{name}File")
    if path is not None:
        return _checked(name, f"{name}File", path, _fromFile(f"{name}File", path, SECRETS[name]))
    variable = getattr(options, f"{name}Environment")
    if variable is not None:
        if variable not in os.environ:
            raise ConfigurationError(f"{name}Environment", f"there is no environment variable {variable}")
        return _checked(name, f"{name}Environment", variable, os.environ[variable])
    secret: str | None = getattr(options, name)
    return secret


def _fromFile(option: str, path: str, what: str) -> str:
    with open(path, "rb") as file:
        octets = file.read(_MAX_FILE + 1)
    if len(octets) > _MAX_FILE:
        raise ConfigurationError(option, f"{path} is too long for a {what}")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        # The codec's own message would show the octet.
        raise ConfigurationError(option, f"{path} is not UTF-8") from None
    return text.partition("\n")[0].removesuffix("\r")


def _checked(name: str, option: str, place: str, secret: str) -> str:
    what = SECRETS[name]
    # A password is hashed, whatever it is; a token goes into a header.
    if not secret or (name == "httpToken" and not isToken68(secret)):
        raise ConfigurationError(option, f"{place} holds no {what}")
    return secret
