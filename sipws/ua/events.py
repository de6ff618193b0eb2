"""
The events of a user agent::

    ==================  =========================  ===================================================
    event               arguments                  when
    ==================  =========================  ===================================================
    connecting          transport, attempts        each attempt to connect, counted from 1
    connected           transport                  the WebSocket is open
    disconnected        transport                  it was closed, or its server was given up;
                                                   transport.lastTransportError says why
    registered          response                   each 200 to a REGISTER
    unregistered        response or None, cause    the binding is gone: asked for, lost or expired
    registrationFailed  response or None, cause    a REGISTER came to nothing; it is tried again
    message             request                    a MESSAGE came, and no rule refused it
    subscribe           notifier                   a SUBSCRIBE came: the listener answers it, see
                                                   L{sipws.subscription.Notifier}
    invite              session                    an INVITE came: the listener answers it, see
                                                   L{sipws.session.Session}
    requestAbandoned    request, error             a request of another's that reached its handler cannot
                                                   be answered any more: its connection is gone, its
                                                   response was not taken, or its ACK will not come
    ==================  =========================  ===================================================

With two flows the first three come for each, and C{unregistered} only when
neither has a binding any more.  When a flow goes back to a heavier server,
C{disconnected} with the old transport and C{connected} with the new one come
in one step, with no moment between them that is without a connection.

A cause is one of the texts of L{sipws.ua.causes}, as in SIP.js 0.7.
"""

from __future__ import annotations

from sipws.emitter import Emitter, loggerFor

__all__ = ["Emitter", "loggerFor"]
