"""
How fast and how small sipws is, beside others that do the same.

    python -m benchmarks parse          parse plus sanity check, per message
    python -m benchmarks build          building requests and responses
    python -m benchmarks transactions   MESSAGE answered 200, end to end
    python -m benchmarks calls          INVITE, 180, 200, ACK, BYE, 200, end to end
    python -m benchmarks memory         an idle, registered user agent

Each command prints a table and its ratios.  Absolute figures belong to the
machine and the minute; so every engine runs in a long-lived process of its own
(L{benchmarks.workers}), all of them take turns in short rounds within one run,
and what counts is the median of the rounds and the ratio of two medians.

The peers: JsSIP and SIP.js 0.7.8 (from npm, under Node.js), sippy, sipmessage
and C{twisted.protocols.sip} (from PyPI).  A peer that is not installed is
named, with how to install it: see L{benchmarks.peers}.

    pip install -e '.[bench]'
    npm i --ignore-scripts --prefix benchmarks
"""
