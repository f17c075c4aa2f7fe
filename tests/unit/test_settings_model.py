"""The settings' model: defaults, what is refused, what is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from connector.service.settings import Settings, describe

MINIMAL: dict[str, Any] = {
    "kafka": {"bootstrap_servers": "broker:9092", "group_id": "profiles"},
    "registry": {"url": "http://registry:8081"},
    "sources": [{"topics": ["crm.customers"], "id": "customer_id", "attributes": {"city": "address.city"}}],
    "target": {"client": "acme"},
}


def changed(**sections: dict[str, Any]) -> dict[str, Any]:
    """The minimal settings with some keys of some sections over them."""
    return MINIMAL | {name: MINIMAL.get(name, {}) | keys for name, keys in sections.items()}


def source(**keys: Any) -> dict[str, Any]:
    return {**MINIMAL["sources"][0], **keys}


def problems(values: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate(values)
    return "\n".join(error["msg"] for error in raised.value.errors())


def test_the_smallest_settings_get_the_defaults_of_the_contract() -> None:
    """Whoever gives only what must be given gets the documented defaults."""
    settings = Settings.model_validate(MINIMAL)
    assert settings.window.max_rows == 100_000
    assert settings.window.max_bytes == 45_000_000
    assert settings.window.max_age == 10.0
    assert settings.target.base_url == "https://acme.tt.omtrdc.net"
    assert settings.target.calls_per_minute == 35
    assert settings.target.throttle_hold == 60.0
    assert settings.dead_letters.topic == "target-connector.dead-letters"
    assert settings.sources[0].unsafe_text == "dead_letter"
    assert settings.sources[0].long_values == "send"
    assert settings.service.drain == 20.0


def test_settings_cannot_be_changed() -> None:
    """What was checked at start is what runs."""
    settings = Settings.model_validate(MINIMAL)
    with pytest.raises(ValidationError, match="frozen"):
        settings.target.client = "other"  # type: ignore[misc]  # the very thing under test


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        pytest.param("enable.auto.commit", True, "only after Target accepted", id="committing by itself"),
        pytest.param("enable.auto.offset.store", True, "only after Target accepted", id="storing before acceptance"),
        pytest.param("auto.offset.reset", "latest", "would be skipped", id="starting at the end"),
        pytest.param("auto.offset.reset", "largest", "would be skipped", id="starting at the end, in the old word"),
        pytest.param("group.id", "x", "kafka.group_id", id="the group, which has a key"),
        pytest.param("bootstrap.servers", "x", "kafka.bootstrap_servers", id="the brokers, which have a key"),
        pytest.param("metadata.broker.list", "x", "kafka.bootstrap_servers", id="the brokers by their old name"),
        pytest.param("on_commit", "x", "callback", id="a callback"),
        pytest.param("error_cb", "x", "callback", id="another callback"),
        pytest.param("enable.partition.eof", True, "no record", id="ends of partitions"),
        pytest.param("max.poll.interval.ms", 30_000, "60000 or more", id="too short a poll interval"),
        pytest.param("auto.commit.interval.ms", 0, "over 0", id="never committing"),
        pytest.param("heartbeat.interval.ms", 45_000, "below session", id="a heartbeat as late as the session's end"),
        pytest.param("isolation.level", "read_uncommitted", "rolled back", id="uncommitted data"),
        pytest.param("partition.assignment.strategy", "range,cooperative-sticky", "mix", id="a mix of strategies"),
        pytest.param("plugin.library.paths", "/tmp/x.so", "foreign code", id="a plugin"),  # noqa: S108  a text only
        pytest.param("test.mock.num.brokers", 3, "empty one", id="the mock cluster"),
        pytest.param("acks", 1, "dead letter could be lost", id="dead letters without full acknowledgement"),
        pytest.param("delivery.report.only.error", True, "acknowledged", id="dead letters without a report"),
        pytest.param("allow.auto.create.topics", True, "misspelt topic", id="making topics"),
        pytest.param("security.protocol", "SASL_SSL", "SCRAM-SHA-512", id="SASL without a mechanism, so Kerberos"),
        pytest.param("linger.ms", None, "must be text, a number", id="a value that is none"),
    ],
)
def test_a_property_that_would_break_a_promise_is_refused_with_its_reason(name: str, value: Any, told: str) -> None:
    """The text names the property and says why; all others pass."""
    text = problems(changed(kafka={"properties": {name: value}}))
    assert ("sasl.mechanism" if name == "security.protocol" else name) in text
    assert told in text


def test_a_session_must_be_longer_than_a_heartbeat() -> None:
    """Librdkafka takes it, and the membership ends between two heartbeats, again and again."""
    both = {"heartbeat.interval.ms": 3000, "session.timeout.ms": 3000}
    assert "heartbeat.interval.ms: refused" in problems(changed(kafka={"properties": both}))
    assert "heartbeat.interval.ms: refused" in problems(changed(kafka={"properties": {"session.timeout.ms": 2000}}))
    Settings.model_validate(changed(kafka={"properties": both | {"session.timeout.ms": 3001}}))


def test_other_properties_pass_as_librdkafka_reads_them() -> None:
    """Truth values and numbers of YAML become librdkafka's own spelling."""
    given = {"socket.keepalive.enable": True, "fetch.wait.max.ms": 250, "auto.offset.reset": "earliest"}
    settings = Settings.model_validate(changed(kafka={"properties": given}))
    assert settings.kafka.properties == {
        "socket.keepalive.enable": "true",
        "fetch.wait.max.ms": "250",
        "auto.offset.reset": "earliest",
    }


def test_the_newer_group_protocol_goes_without_what_the_broker_decides() -> None:
    """Librdkafka would refuse the three properties only when the consumer is made."""
    text = problems(changed(kafka={"properties": {"group.protocol": "consumer", "session.timeout.ms": 6000}}))
    assert "session.timeout.ms: refused" in text


@pytest.mark.parametrize(
    ("secrets", "told"),
    [
        pytest.param({"sasl.password": "/a", "group.id": "/b"}, "group.id: refused", id="a refused name"),
        pytest.param({"isolation.level": "/a"}, "is no secret", id="what must be seen to be checked"),
        pytest.param({"session.timeout.ms": "/a"}, "is no secret", id="what depends on another"),
        pytest.param({"ssl.key.password": "/a"}, "given twice", id="a value beside it"),
    ],
)
def test_a_file_is_no_way_around_a_refusal(secrets: dict[str, str], told: str) -> None:
    """Properties whose value is in a file follow the same rules."""
    kafka = {"properties": {"ssl.key.password": "x"}, "secrets": secrets}
    assert told in problems(changed(kafka=kafka))


@pytest.mark.parametrize(
    "name",
    ["sasl.password", "ssl.key.password", "sasl.oauthbearer.client.secret", "ssl.key.pem", "sasl.oauthbearer.config"],
)
def test_a_secret_property_is_never_shown(name: str) -> None:
    """Neither the start-up log nor any repr holds it; the client still gets it."""
    settings = Settings.model_validate(changed(kafka={"properties": {name: "planted-value"}}))
    assert settings.kafka.properties[name] == "planted-value"
    assert describe(settings)["kafka"]["properties"] == {name: "***"}
    assert "planted-value" not in json.dumps(describe(settings)) + repr(settings) + str(settings)


def test_what_is_shown_can_be_written_again() -> None:
    """`describe` shows units as a file has them, so it is itself a valid settings file."""
    settings = Settings.model_validate(MINIMAL)
    shown = describe(settings)
    assert (shown["window"]["max_bytes"], shown["window"]["max_age"]) == ("45MB", "10s")
    assert Settings.model_validate(shown) == settings


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "127.8.9.10", "[::1]:80", "localhost:1"])
def test_plain_http_may_go_to_this_machine(host: str) -> None:
    """The simulator listens without TLS."""
    settings = Settings.model_validate(changed(target={"base_url": f"http://{host}/"}))
    assert settings.target.base_url == f"http://{host}"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param("http://acme.tt.omtrdc.net", "only to this machine", id="http to Target itself"),
        pytest.param("http://localhost.evil.example", "only to this machine", id="a name that begins like loopback"),
        pytest.param("http://127.0.0.1.nip.io", "only to this machine", id="a name that looks like an address"),
        pytest.param("http://0.0.0.0:80", "only to this machine", id="any address"),
        pytest.param("http://127.0.0.1@evil.example", "user name or password", id="loopback as a user name"),
        pytest.param("https://me:pw@acme.example", "user name or password", id="a password in the address"),
        pytest.param("https://acme.example/v2", "must not have a path", id="a path"),
        pytest.param("https://acme.example?x=1", "query or a fragment", id="a query"),
        pytest.param("https://acme.example#", "query or a fragment", id="an empty fragment"),
        pytest.param("ftp://acme.example", "not an address", id="another scheme"),
        pytest.param("acme.example", "not an address", id="no scheme"),
        pytest.param("https://acme.example:port", "not an address", id="a port that is none"),
        pytest.param("https://ac me.example", "not an address", id="a space"),
        pytest.param("http:\\\\127.0.0.1", "not an address", id="the wrong slashes"),
        pytest.param("http://evil.example\\@127.0.0.1", "not an address", id="a slash that clients read in two ways"),
    ],
)
def test_an_address_that_could_leak_a_token_is_refused(url: str, told: str) -> None:
    """Tokens go to Target over TLS and nowhere else; the text does not repeat the address."""
    text = problems(changed(target={"base_url": url}))
    assert told in text
    assert "evil.example" not in text
    assert "pw" not in text


@pytest.mark.parametrize(
    ("values", "told"),
    [
        pytest.param({"window": {"max_rows": 0}}, "greater than or equal to 1", id="no row at all"),
        pytest.param({"window": {"max_rows": 500_000}}, "less than or equal to 499999", id="no room for the header"),
        pytest.param({"window": {"max_bytes": "50MB"}}, "under 50MB", id="Target's limit of bytes"),
        pytest.param({"window": {"max_bytes": "999B"}}, "1kB or more", id="room for no row"),
        pytest.param({"window": {"max_age": "0s"}}, "more than 0", id="no time at all"),
        pytest.param({"window": {"max_age": "25h"}}, "24h or less", id="a slip of the unit"),
        pytest.param({"target": {"calls_per_minute": 51}}, "less than or equal to 50", id="Target's limit of calls"),
        pytest.param({"target": {"calls_per_minute": True}}, "must be a number", id="a truth value for a number"),
        pytest.param({"target": {"client": "Acme"}}, "lower-case", id="a client code in capitals"),
        pytest.param({"target": {"client": "acme.example"}}, "lower-case", id="a host as the client code"),
        pytest.param({"target": {"commit_on": "complete", "follow": False}}, "needs follow", id="completion unasked"),
        pytest.param({"target": {"unconfirmed": {"batches": 11}}}, "less than or equal to 10", id="all that is kept"),
        pytest.param({"target": {"unconfirmed": {"on_timeout": "skip"}}}, "'resend' or 'block'", id="a way to lose"),
        pytest.param({"target": {"token_expires_file": "/e"}}, "of no use without", id="the end of no token"),
        pytest.param({"dead_letters": {"brake": {"share": 0}}}, "greater than 0", id="a brake that always brakes"),
        pytest.param({"dead_letters": {"topic": "dead letters"}}, "not a topic name", id="a topic with a space"),
        pytest.param({"kafka": {"bootstrap_servers": "a:1,,b:2"}}, "host:port", id="a broker that is missing"),
        pytest.param({"kafka": {"group_id": " "}}, "must not be empty", id="a group without a name"),
        pytest.param({"registry": {"username": "me"}}, "belong together", id="a user without a password"),
        pytest.param({"registry": {"key_file": "/k"}}, "belong together", id="a key without its certificate"),
        pytest.param(
            {"registry": {"username": "me", "password_file": "/p", "token_file": "/t"}},
            "cannot both be sent",
            id="two ways to log in",
        ),
        pytest.param({"registry": {"url": "http://me:pw@registry"}}, "user name or password", id="a password shown"),
    ],
)
def test_a_value_outside_its_range_is_refused(values: dict[str, Any], told: str) -> None:
    """Limits of Target and plain slips are found at start, not at the first batch."""
    assert told in problems(changed(**values))


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        pytest.param({"topics": []}, "at least 1 item", id="no topic"),
        pytest.param({"topics": ["a b"]}, "not a topic name", id="a space in a topic"),
        pytest.param({"topics": ["^crm[.*"]}, "not a regular expression", id="a broken expression"),
        pytest.param({"topics": [r"^crm\.\d"]}, "POSIX", id="an expression that would never match"),
        pytest.param({"topics": ["^crm(?:a|b)"]}, "POSIX", id="an expression that the client cannot read"),
        pytest.param({"topics": ["a", "a"]}, "is read by sources[0]", id="a topic twice"),
        pytest.param({"topics": ["crm.a", r"^crm\."]}, "is read by sources[0]", id="a topic and its expression"),
        pytest.param({"topics": ["^target-connector"]}, "read the dead letters again", id="our own dead letters"),
        pytest.param({"on_delete": "send", "deleted": {"a": "b"}}, "deletes hold an id", id="no id for deletes"),
        pytest.param({"shape": "debezium", "on_delete": "send"}, "needs deleted", id="deletes with nothing to send"),
        pytest.param(
            {"delete_flag": {"field": "x", "value": 1}}, "only for the shape jdbc", id="a flag without a shape"
        ),
        pytest.param(
            {"shape": "jdbc", "on_delete": "send", "deleted": {"a": "b"}},
            "needs delete_flag",
            id="jdbc without deletes",
        ),
        pytest.param({"unavailable_value": "x"}, "only for Debezium", id="a placeholder of nobody"),
        pytest.param({"gaps": "block"}, "only for Salesforce", id="gaps of nobody"),
        pytest.param({"on_null": {"town": "sentinel"}}, "on_null names town", id="a null of no attribute"),
        pytest.param({"on_null": {"city": "none"}}, "city: must be leave or sentinel", id="no rule for a null"),
        pytest.param({"sentinel": "a,b"}, "one line without a comma", id="a sentinel with a comma"),
        pytest.param({"sentinel": " "}, "and not empty", id="a sentinel of nothing"),
        pytest.param({"deleted": {"a": "b"}}, "only for on_delete send", id="something to send that never is"),
        pytest.param({"deleted": {"a": "b,c"}}, "a: must be one line without a comma", id="a delete with a comma"),
        pytest.param({"deleted": {"a": "x" * 257}}, "at most 256 characters", id="a delete that is too long"),
        pytest.param({"sentinel": "x" * 257}, "at most 256 characters", id="a sentinel that is too long"),
        pytest.param({"long_values": "cut"}, "'send', 'clip' or 'dead_letter'", id="no rule for long values"),
        pytest.param({"deleted": {"a": True}}, "a: must be text", id="a delete that is no text"),
        pytest.param({"shape": "round"}, "'flat'", id="no shape"),
        pytest.param({"framing": "plain"}, "needs schema_file", id="plain without its schema"),
        pytest.param({"schema_file": "/x.avsc"}, "only for the framings plain", id="a schema that nobody asks for"),
        pytest.param({"framing": "glue"}, "needs schema_dir", id="a framing of a folder without one"),
        pytest.param({"schema_dir": "/x"}, "only for the framings glue", id="a folder that nobody asks for"),
        pytest.param({"apicurio_id": "global"}, "only for the framing apicurio", id="an id of another registry"),
        pytest.param({"framing": "apicurio", "apicurio_id_bytes": 5}, "should be 4 or 8", id="no such length"),
        pytest.param({"key_framing": "text"}, "write id: key", id="a key of text and an id elsewhere"),
        pytest.param({"key_framing": "apicurio"}, "write id: key. and", id="a key that is a record, likewise"),
        pytest.param({"key_framing": "confluent", "id": "key"}, "is a record", id="a whole record as the id"),
        pytest.param({"id": "a..b"}, "not a path", id="a path with a hole"),
        pytest.param({"id": 5}, "not a path", id="an id that is a number"),
        pytest.param({"id": {"value": "lower("}}, "character 7: it ends where", id="an id that is no expression"),
        pytest.param({"id": {"value": "'a'"}}, "names no field, so all profiles would be one", id="an id of no field"),
        pytest.param(
            {"id": {"value": "key || b"}, "key_framing": "text"}, "made of one field", id="an id of key and value"
        ),
        pytest.param({"id": {"valu": "a"}}, "{value: …} with an expression and nothing else", id="an id of nothing"),
        pytest.param({"where": "a = 'x"}, "character 5: a text without its closing", id="no condition"),
        pytest.param({"where": ""}, "is empty; write an expression", id="an empty condition"),
        pytest.param({"attributes": {"a": {"value": "f(b)"}}}, "a: character 1: there is no function f", id="no value"),
        pytest.param({"attributes": {"a": {"value": 5}}}, "a: must be an expression in text", id="a value of a number"),
        pytest.param(
            {"attributes": {"a": {"value": "b", "x": "y"}}}, "a: must be a path, or {value: …}", id="more keys"
        ),
        pytest.param({"key_framing": "text", "id": {"value": "lower(id)"}}, "write id: key", id="no id in the key"),
        pytest.param({"attributes": {}}, "must be a map", id="no attribute"),
        pytest.param({"attributes": "most"}, "must be a map", id="neither map nor all"),
        pytest.param({"attributes": {"a,b": "c"}}, "a,b: a name cannot hold a comma", id="a name with a comma"),
        pytest.param({"attributes": {"a": 1}}, "a: is not a path", id="a path that is a number"),
    ],
)
def test_a_source_that_cannot_work_is_refused(keys: dict[str, Any], told: str) -> None:
    """What no record could make right is found before the first is read."""
    assert told in problems(MINIMAL | {"sources": [source(**keys)]})


def test_two_sources_cannot_claim_one_attribute() -> None:
    """In no order that could be told, one would overwrite the other."""
    text = problems(MINIMAL | {"sources": [source(), source(topics=["pos"])]})
    assert "attribute city is written by sources[0] and sources[1]" in text


def test_a_key_that_needs_the_registry_says_so() -> None:
    """The setting that is named is the one that asks, not the framing of the values."""
    without = {name: section for name, section in MINIMAL.items() if name != "registry"}
    keyed = source(framing="plain", schema_file="/x.avsc", key_framing="confluent", id="key.id")
    told = problems(without | {"sources": [keyed]})
    assert "registry.url: missing; sources[0] has the key_framing confluent, which needs it" in told


def test_the_registry_is_needed_only_where_a_source_asks_it() -> None:
    """A topic with a schema file needs none; a framed one does, and says which."""
    without = {name: section for name, section in MINIMAL.items() if name != "registry"}
    plain = source(framing="plain", schema_file="/x.avsc")
    assert Settings.model_validate(without | {"sources": [plain]}).registry is None
    folder = source(framing="glue", schema_dir="/x", schema_file="/x/newest.avsc")
    assert Settings.model_validate(without | {"sources": [folder]}).registry is None
    keyed = plain | {"key_framing": "confluent", "id": "key.number"}
    assert "registry.url: missing" in problems(without | {"sources": [keyed]})
    text = plain | {"key_framing": "text", "id": "key"}
    assert Settings.model_validate(without | {"sources": [text]}).registry is None
    for framing in ("confluent", "confluent-header", "apicurio", "apicurio-header"):
        framed = source(topics=["pos"], attributes={"store": "s"}, framing=framing)
        assert f"sources[1] has the framing {framing}" in problems(without | {"sources": [plain, framed]})


@pytest.mark.parametrize(
    ("timeout", "interval"),
    [pytest.param("10m", None, id="longer than the client's own interval"), pytest.param("60s", 61_000, id="too near")],
)
def test_a_call_may_not_outlast_a_rebalance(timeout: str, interval: int | None) -> None:
    """A revoke waits for the call on the wire; Kafka must not give the partitions away before it ends."""
    kafka = MINIMAL["kafka"] | ({"properties": {"max.poll.interval.ms": interval}} if interval else {})
    told = problems(MINIMAL | {"kafka": kafka, "target": MINIMAL["target"] | {"timeout": timeout}})
    assert "max.poll.interval.ms" in told


@pytest.mark.parametrize("topic", ["^crm[[:digit:]]+$", "^crm+?x", r"^crm[\\w]", r"^crm\\w+"])
def test_an_expression_that_python_takes_otherwise_is_refused(topic: str) -> None:
    """The client matches by POSIX, we by Python: both must find the same topics."""
    assert "POSIX" in problems(MINIMAL | {"sources": [source(topics=[topic])]}) or "classes" in problems(
        MINIMAL | {"sources": [source(topics=[topic])]}
    )


def test_salesforce_says_only_what_changed() -> None:
    """Its shapes are partial unless told otherwise; the others full."""
    shapes = {"salesforce": "partial", "salesforce-connect": "partial", "debezium": "full", "flat": "full"}
    for shape, events in shapes.items():
        settings = Settings.model_validate(MINIMAL | {"sources": [source(shape=shape)]})
        assert settings.sources[0].events == events
    told = Settings.model_validate(MINIMAL | {"sources": [source(shape="salesforce", events="full")]})
    assert told.sources[0].events == "full"


def test_gaps_are_one_decision() -> None:
    """The brake does not know sources, so it cannot block for one and not for another."""
    one = source(shape="salesforce", gaps="block")
    other = source(shape="salesforce", topics=["other"], attributes={"a": "b"})
    assert "gaps must be the same" in problems(MINIMAL | {"sources": [one, other]})
