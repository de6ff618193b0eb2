"""How the server's parts say that a request gets another answer than 200."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Headers", "Refused"]

#: Headers of a response.
Headers = Sequence[tuple[str, object]]


class Refused(Exception):
    """
    A request is to be answered with this.

    @ivar statusCode: The response's status code.
    @ivar reasonPhrase: Its reason phrase; C{None} for the usual one.
    @ivar headers: Its headers beside those of every response.
    """

    def __init__(self, statusCode: int, reasonPhrase: str | None = None, headers: Headers = ()) -> None:
        super().__init__(statusCode, reasonPhrase)
        self.statusCode = statusCode
        self.reasonPhrase = reasonPhrase
        self.headers = headers
