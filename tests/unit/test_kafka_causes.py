"""Why brokers can't be reached: librdkafka's own lines, as a real broker provoked them, and what becomes of them.

`tests/integration/test_kafka_security.py` provokes the same on the real thing.
"""

from __future__ import annotations

import pytest

from connector.kafka.causes import Causes, cause, plain

AT = "sasl_ssl://127.0.0.1:32781/bootstrap: "
PASSWORD = (
    "SASL authentication error: Authentication failed during authentication due to invalid credentials with SASL"
    " mechanism SCRAM-SHA-512 (after {}ms in state AUTH_REQ)"
)
REFUSED = "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)"
ODD = "Disconnected while something odd (after 12ms in state UP, 3 identical error(s) suppressed)"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param(AT + PASSWORD.format(311), "refuse the credentials; see sasl.username", id="a wrong password"),
        pytest.param(
            f"{AT}SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported"
            " mechanisms: SCRAM-SHA-512,OAUTHBEARER (after 304ms in state AUTH_HANDSHAKE)",
            "other SASL mechanisms, SCRAM-SHA-512,OAUTHBEARER; see sasl.mechanism",
            id="another mechanism",
        ),
        pytest.param(
            f"{AT}SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Request not valid in current SASL state:"
            " broker's supported mechanisms:  (after 1ms in state AUTH_HANDSHAKE)",
            "takes no SASL; see security.protocol",
            id="SASL where none is taken",
        ),
        pytest.param(
            f"{AT}SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker"
            " certificate could not be verified, verify that ssl.ca.location is … (after 7ms in state SSL_HANDSHAKE)",
            "set ssl.ca.location",
            id="an unknown authority",
        ),
        pytest.param(
            "ssl://127.0.0.1:32780/bootstrap: Receive failed: error:0A00045C:SSL routines::tlsv13 alert certificate"
            " required: SSL alert number 116 (after 0ms in state APIVERSION_QUERY)",
            "want a certificate of ours",
            id="no certificate of ours",
        ),
        pytest.param(
            f"{AT}SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a PLAINTEXT broker"
            " listener? (after 2ms in state SSL_HANDSHAKE)",
            "speaks no TLS; see security.protocol",
            id="TLS where none is spoken",
        ),
        pytest.param(
            "127.0.0.1:32781/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 1ms in"
            " state APIVERSION_QUERY)",
            "as one that wants TLS does; see security.protocol",
            id="no TLS where it is wanted",
        ),
        pytest.param(
            "ssl://127.0.0.1:32781/bootstrap: Disconnected: SSL connection closed by peer (after 0ms in state UP)",
            "as one that wants SASL does; see security.protocol",
            id="no SASL where it is wanted",
        ),
        pytest.param(
            "nowhere.invalid:9092/bootstrap: Failed to resolve 'nowhere.invalid:9092': Name or service not known (after"
            " 0ms in state CONNECT)",
            "nowhere.invalid:9092 is not known",
            id="an unknown name",
        ),
        pytest.param(REFUSED, "nothing listens there; start the brokers", id="nobody there"),
        pytest.param(
            "ssl://b:9092/1: Disconnected: SSL connection closed by peer (after 123456ms in state UP)",
            "Disconnected: SSL connection closed by peer; check kafka.bootstrap_servers",
            id="a broker that goes is no riddle of protocols",
        ),
    ],
)
def test_a_cause_is_told_with_its_remedy(line: str, told: str) -> None:
    """Each names the setting to look at, and nothing of one attempt alone."""
    assert told in cause(line)
    assert "ms in state" not in cause(line)
    assert "error:0A" not in cause(line)


def test_what_is_not_known_is_told_as_it_is() -> None:
    """Without address, time and counts, so that the log need not repeat it."""
    assert plain(AT + ODD) == "Disconnected while something odd"
    assert plain("Broker: Topic authorization failed") == "Broker: Topic authorization failed"


def test_the_most_telling_cause_wins_and_does_not_flutter() -> None:
    """Of several brokers that fail in several ways always the same is told, until only another is heard."""
    causes = Causes()
    assert causes.taken().startswith("no answer")

    def hear(*lines: str) -> None:
        for line in lines:
            causes.logger.error("%s [%s] %s", "FAIL", "rdkafka#producer-1", f"[thrd:{line.split(': ')[0]}]: {line}")

    hear(REFUSED, AT + PASSWORD.format(311), ODD)
    assert causes.taken().startswith("they refuse the credentials")
    assert causes.taken().startswith("they refuse the credentials")
    hear(ODD, AT + PASSWORD.format(309), REFUSED)
    assert causes.taken().startswith("they refuse the credentials")
    hear(REFUSED)
    assert causes.taken().startswith("nothing listens there")
    causes.logger.warning("%s [%s] %s", "CONFWARN", "rdkafka#producer-1", "a property that has no effect")
    assert causes.taken().startswith("nothing listens there")
