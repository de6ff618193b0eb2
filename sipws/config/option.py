"""
One row of the table of options: L{option} makes it, L{OptionRow} shows it.
"""

from __future__ import annotations

from typing import Any

import attrs

from sipws.config.values import Kind, Unfit, show
from sipws.errors import ConfigurationError

__all__ = ["OptionRow", "option"]


@attrs.frozen
class OptionRow:
    """
    One option, as the documentation shows it.

    @ivar name: Its name.
    @ivar kind: What it takes, with its range.
    @ivar unit: The unit of a number; empty where it has none.
    @ivar default: Its default; C{None} where there is none or it is made up.
    @ivar doc: What it is for.
    """

    name: str
    kind: str
    unit: str
    default: object
    doc: str


def option(
    kind: Kind,
    doc: str,
    *,
    default: Any = None,
    unit: str = "",
    secret: bool = False,
) -> Any:
    """Make one row of the table: an attrs field that checks its value and describes itself."""

    def check(value: object, field: attrs.Attribute[Any]) -> Any:
        if value is None:
            return None
        try:
            return kind.convert(value)
        except Unfit as error:
            shown = "" if secret else f", not {show(value)}"
            raise ConfigurationError(field.name, error.problem + shown, error.hint) from error.__cause__

    return attrs.field(
        default=default,
        converter=attrs.Converter(check, takes_field=True),
        repr=not secret,
        metadata={"kind": kind, "doc": doc, "unit": unit},
    )
