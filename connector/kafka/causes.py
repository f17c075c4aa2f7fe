"""Why the brokers can't be reached, in one line for an operator that stays the same while the cause does.

Librdkafka says it with addresses, times and OpenSSL's numbers, other ones at every attempt, and of some causes (a plain
connection to a listener that wants TLS, say) only in its log. `troubles` asks for what one error means; clients that
ask on behalf of the operator (`topics`, `dead_letters`) have a `Causes` of their own.
"""

from __future__ import annotations

import logging
import re
from typing import Final

# Most telling first: where brokers fail in several ways, the first of these is told.
_CAUSES: Final = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (
            r"Unsupported SASL mechanism: broker's supported mechanisms: ([\w,-]+)",
            "they take other SASL mechanisms, {0}; see sasl.mechanism",
        ),
        (r"current SASL state", "that listener takes no SASL; see security.protocol, and the port"),
        (
            r"SASL authentication error|Authentication failed",
            "they refuse the credentials; see sasl.username, sasl.password and sasl.mechanism",
        ),
        (
            r"certificate verify failed",
            "their certificate is not trusted; set ssl.ca.location to its authority's, and use a host name it is for",
        ),
        (
            r"alert (?:certificate required|bad certificate|unknown ca|certificate unknown|certificate expired)",
            "they want a certificate of ours that they trust; see ssl.certificate.location and ssl.key.location",
        ),
        (
            r"PLAINTEXT broker listener|closed by peer.*in state SSL_HANDSHAKE|wrong version number",
            "that listener speaks no TLS; see security.protocol, and the port",
        ),
        (
            r"closed by peer.*in state APIVERSION_QUERY",
            "that listener hangs up on us, as one that wants TLS does; see security.protocol, and the port",
        ),
        (
            # Up, and hung up on within 100 ms: the first request was not what the listener wants.
            r"SSL connection closed by peer \(after \d\d?ms in state UP",
            "that listener hangs up on us, as one that wants SASL does; see security.protocol, and the port",
        ),
        (r"Failed to resolve '([^']*)'", "{0} is not known; correct kafka.bootstrap_servers, or the brokers' names"),
        (r"Connection refused", "nothing listens there; start the brokers, or correct kafka.bootstrap_servers"),
    )
)
_VOLATILE: Final = (
    re.compile(r"^(?:\[thrd:[^\]]*\]: )?(?:\w+://)?\S+:\d+/\w+: "),  # which broker
    re.compile(r" \(after \d+ms in state .*\)"),
    re.compile(r"error:[0-9A-F]{8}:[\w ]*:[\w ]*:"),  # OpenSSL's number and library
)


def plain(text: str) -> str:
    """What librdkafka says, without what is different from one attempt or broker to the next."""
    for volatile in _VOLATILE:
        text = volatile.sub("", text)
    return text


def cause(text: str) -> str:
    """What librdkafka says of a connection, as cause and remedy."""
    known = next(iter(_known(text)), None)
    return f"{plain(text)}; check kafka.bootstrap_servers and kafka.properties" if known is None else known[1]


def _known(text: str) -> list[tuple[int, str]]:
    found = ((rank, pattern.search(text), words) for rank, (pattern, words) in enumerate(_CAUSES))
    return [(rank, words.format(*match.groups())) for rank, match, words in found if match]


class Causes(logging.Handler):
    """Hears one client's log, and tells the cause that its lines about connections speak of.

    Attributes:
        logger: to be the client's `logger`; its lines come as the client is polled, and go nowhere else.
    """

    def __init__(self) -> None:
        """Nothing heard yet."""
        super().__init__(logging.INFO)
        self.logger = logging.Logger("librdkafka", logging.INFO)  # noqa: LOG001 (of one client, so not in the registry)
        self.logger.addHandler(self)
        self._heard: list[tuple[int, str]] = []
        self._told = "no answer; check kafka.bootstrap_servers and kafka.properties"

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line of librdkafka's, if it is about a connection that failed; see logging.Handler."""
        match record.args:
            case ("FAIL" | "ERROR", _, text):
                best = min(_known(str(text)), default=(len(_CAUSES), cause(str(text))))
                self._heard = [min([best, *self._heard])]  # one: it is asked once a second, and told more often

    def taken(self) -> str:
        """The most telling of what was heard since it was last asked; if nothing was, what it said then."""
        if self._heard:
            ((_, self._told),) = self._heard
            self._heard = []
        return self._told
