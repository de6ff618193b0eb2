"""
The figures of RFC 3261 section 17 and RFC 6026, read off the page a second time.

Each line is an arrow: the state that it leaves, the label above the line, the
state that it enters, what goes out on the network, what the transaction's user
is told, and the timer that runs afterwards, with its length where it starts
with this arrow.  The unreliable transports' timers A, E and G are left out.

Lines that begin with C{+} are in no figure; the text of the RFC that follows
them is where they come from.
"""

from __future__ import annotations

from typing import NamedTuple

# As replaced by RFC 6026 section 8.4.
#
# RFC 3261 section 9.1: "If no provisional response has been received, the CANCEL request MUST NOT
# be sent; rather, the client MUST wait for the arrival of a provisional response before sending
# the request."  "If there is no final response for the original request in 64*T1 seconds [...], the
# client SHOULD then consider the original transaction cancelled and SHOULD destroy the client
# transaction handling the original request."  Section 18.2.2: responses come on the connection
# that the request went out on.
FIGURE_5 = """
  Initial    | start              | Calling    | INVITE | -         | Timer B = 32
  Calling    | 1xx                | Proceeding | -      | 1xx       | -
  Calling    | 2xx                | Accepted   | -      | 2xx       | Timer M = 32
  Calling    | 300-699            | Completed  | ACK    | 300-699   | Timer D = 32
  Calling    | Timer B            | Terminated | -      | timeout   | -
  Calling    | transport error    | Terminated | -      | error     | -
  Proceeding | 1xx                | Proceeding | -      | 1xx       | -
  Proceeding | 2xx                | Accepted   | -      | 2xx       | Timer M = 32
  Proceeding | 300-699            | Completed  | ACK    | 300-699   | Timer D = 32
  Accepted   | 2xx                | Accepted   | -      | 2xx       | Timer M
  Accepted   | Timer M            | Terminated | -      | -         | -
  Completed  | 300-699            | Completed  | ACK    | -         | Timer D
  Completed  | Timer D            | Terminated | -      | -         | -
  Completed  | transport error    | Terminated | -      | error     | -
+ Calling    | cancel             | Calling    | -      | -         | Timer B
+ Proceeding | cancel             | Proceeding | CANCEL | -         | 64*T1 after CANCEL = 32
+ Proceeding | 64*T1 after CANCEL | Terminated | -      | timeout   | -
+ Proceeding | transport error    | Terminated | -      | error     | -
"""

# RFC 3261 section 9.1: "A CANCEL request SHOULD NOT be sent to cancel a request other than INVITE."
FIGURE_6 = """
  Initial    | start              | Trying     | OPTIONS | -         | Timer F = 32
  Trying     | 1xx                | Proceeding | -       | 1xx       | Timer F
  Trying     | 200-699            | Completed  | -       | 200-699   | Timer K = 5
  Trying     | Timer F            | Terminated | -       | timeout   | -
  Trying     | transport error    | Terminated | -       | error     | -
  Proceeding | 1xx                | Proceeding | -       | 1xx       | Timer F
  Proceeding | 200-699            | Completed  | -       | 200-699   | Timer K = 5
  Proceeding | Timer F            | Terminated | -       | timeout   | -
  Proceeding | transport error    | Terminated | -       | error     | -
  Completed  | 200-699            | Completed  | -       | -         | Timer K
  Completed  | Timer K            | Terminated | -       | -         | -
+ Trying     | cancel             | Terminated | -       | cancelled | -
+ Proceeding | cancel             | Terminated | -       | cancelled | -
"""

# As replaced by RFC 6026 section 8.6; that timer H tells the user is in the text of RFC 3261
# section 17.2.1: it "MUST indicate to the TU that a transaction failure has occurred."
FIGURE_7 = """
  Initial    | start              | Proceeding | -       | -         | 200 ms = 0.2
  Proceeding | 200 ms             | Proceeding | 1xx     | -         | -
  Proceeding | request again      | Proceeding | last    | -         | 200 ms
  Proceeding | 1xx                | Proceeding | 1xx     | -         | -
  Proceeding | 2xx                | Accepted   | 2xx     | -         | Timer L = 32
  Proceeding | 300-699            | Completed  | 300-699 | -         | Timer H = 32
  Proceeding | transport error    | Proceeding | -       | error     | -
  Accepted   | request again      | Accepted   | -       | -         | Timer L
  Accepted   | ACK                | Accepted   | -       | ACK       | Timer L
  Accepted   | 2xx                | Accepted   | 2xx     | -         | Timer L
  Accepted   | transport error    | Accepted   | -       | error     | Timer L
  Accepted   | Timer L            | Terminated | -       | -         | -
  Completed  | request again      | Completed  | last    | -         | Timer H
  Completed  | ACK                | Confirmed  | -       | -         | Timer I = 5
  Completed  | transport error    | Completed  | -       | error     | Timer H
  Completed  | Timer H            | Terminated | -       | timeout   | -
  Confirmed  | ACK                | Confirmed  | -       | -         | Timer I
  Confirmed  | Timer I            | Terminated | -       | -         | -
"""

# RFC 4320 section 4.1: "Without regard to transport, an SIP element MUST respond to a non-INVITE
# request with a Status-Code of 100 if it has not otherwise responded after the amount of time it
# takes a client transaction's Timer E to be reset to T2."  Section 4.2: it "MUST NOT send a
# response with Status-Code of 408 to a non-INVITE request.  As a consequence, an element that
# cannot respond before the transaction expires will not send a final response at all."
FIGURE_8 = """
  Initial    | start                  | Trying     | -       | -     | timer E would reach T2 = 3.5
  Trying     | request again          | Trying     | -       | -     | timer E would reach T2
  Trying     | 1xx                    | Proceeding | 1xx     | -     | 64*T1 after 100 = 32
  Trying     | 200-699                | Completed  | 200-699 | -     | Timer J = 32
  Proceeding | request again          | Proceeding | last    | -     | 64*T1 after 100
  Proceeding | 1xx                    | Proceeding | 1xx     | -     | 64*T1 after 100
  Proceeding | 200-699                | Completed  | 200-699 | -     | Timer J = 32
  Proceeding | transport error        | Terminated | -       | error | -
  Completed  | request again          | Completed  | last    | -     | Timer J
  Completed  | transport error        | Terminated | -       | error | -
  Completed  | Timer J                | Terminated | -       | -     | -
+ Trying     | timer E would reach T2 | Proceeding | 1xx     | -     | 64*T1 after 100 = 32
+ Trying     | 408                    | Terminated | -       | -     | -
+ Trying     | transport error        | Terminated | -       | error | -
+ Proceeding | 408                    | Terminated | -       | -     | -
+ Proceeding | 64*T1 after 100        | Terminated | -       | -     | -
"""


class Line(NamedTuple):
    """One arrow; see the module's docstring.  A dash is an empty text."""

    state: str
    event: str
    target: str
    sent: str
    told: str
    timer: str
    seconds: float | None


def read(figure: str) -> list[Line]:
    """Read one of the figures above."""
    return [_line(text) for text in figure.strip("\n").splitlines()]


def _line(text: str) -> Line:
    cells = [cell.strip() for cell in text[2:].split("|")]
    state, event, target, sent, told, timer = ("" if cell == "-" else cell for cell in cells)
    name, _, seconds = timer.partition(" = ")
    return Line(state, event, target, sent, told, name, float(seconds) if seconds else None)
