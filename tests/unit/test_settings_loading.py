"""From file and environment to settings: precedence, places, and bad input by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import SettingError
from connector.service import environment, settings_file
from connector.service.loading import load

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
kafka:
  bootstrap_servers: broker:9092
  group_id: profiles
registry:
  url: http://registry:8081
sources:
  - topics: [crm.customers]
    id: customer_id
    attributes: {city: address.city}
window: {max_age: 5s}
target:
  client: acme
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "connector.yaml"
    path.write_text(GOOD)
    return path


def told(path: Path | None, environ: dict[str, str] | None = None) -> list[str]:
    """The lines of the error that loading ends in, with the directory left out."""
    with pytest.raises(SettingError) as raised:
        load(path, environ or {})
    place = "" if path is None else f"{path.parent}/"
    return str(raised.value).replace(place, "").split("\n")


@pytest.mark.parametrize("authorities", ["/etc", "probe"])
def test_librdkafka_looks_for_authorities_in_a_directory_too(tmp_path: Path, authorities: str) -> None:
    """`ssl.ca.location` may name one, or tell it to look where systems keep them."""
    file = tmp_path / "connector.yaml"
    file.write_text(GOOD.replace("profiles\n", f"profiles\n  properties: {{ssl.ca.location: {authorities}}}\n"))
    assert load(file, {}).kafka.properties == {"ssl.ca.location": authorities}


def test_the_environment_goes_over_the_file_and_the_file_over_the_default(file: Path) -> None:
    """One order for every key."""
    settings_now = load(file, {"CONNECTOR_TARGET__CLIENT": "other", "CONNECTOR_WINDOW__MAX_ROWS": "7"})
    assert settings_now.target.client == "other"
    assert settings_now.target.base_url == "https://other.tt.omtrdc.net"
    assert settings_now.window.max_age == 5.0
    assert settings_now.window.max_rows == 7
    assert settings_now.window.max_bytes == 45_000_000


def test_everything_can_come_from_the_environment() -> None:
    """No file is needed; lists and maps are JSON."""
    settings_now = load(
        None,
        {
            "CONNECTOR_KAFKA__BOOTSTRAP_SERVERS": "broker:9092",
            "CONNECTOR_KAFKA__GROUP_ID": "profiles",
            "CONNECTOR_KAFKA__PROPERTIES": '{"security.protocol": "SSL"}',
            "CONNECTOR_REGISTRY__URL": "http://registry:8081",
            "CONNECTOR_SOURCES": json.dumps([{"topics": ["crm"], "id": "id", "attributes": "all"}]),
            "CONNECTOR_TARGET__CLIENT": "acme",
            "CONNECTOR_DEAD_LETTERS__BRAKE__AT_LEAST": "5",
            "PATH": "/bin",
        },
    )
    assert settings_now.kafka.properties == {"security.protocol": "SSL"}
    assert settings_now.sources[0].attributes == "all"
    assert settings_now.dead_letters.brake.at_least == 5


def test_the_environment_can_name_the_file(file: Path) -> None:
    """`CONNECTOR_CONFIG` stands in for `--config`."""
    assert load(None, {"CONNECTOR_CONFIG": str(file)}).kafka.group_id == "profiles"


def test_a_variable_replaces_a_whole_map(file: Path) -> None:
    """What the file says of that key is gone, so that something can also be taken away."""
    file.write_text(GOOD.replace("  group_id", "  properties: {client.id: a, check.crcs: true}\n  group_id"))
    properties = load(file, {"CONNECTOR_KAFKA__PROPERTIES": '{"client.id": "b"}'}).kafka.properties
    assert properties == {"client.id": "b"}


BAD_FILES = [
    pytest.param("a: [", "connector.yaml:1: is not YAML", id="not YAML"),
    pytest.param("\tkafka:", "connector.yaml:1: is not YAML", id="a tab for indentation"),
    pytest.param("token: *secret", "connector.yaml:1: is not YAML that settings need", id="an alias to nothing"),
    pytest.param("token: !secret x", "connector.yaml:1: is not YAML that settings need", id="a tag of its own"),
    pytest.param("a: \x00", "connector.yaml:1: is not YAML: it holds characters", id="a NUL character"),
    pytest.param("a: 2024-13-45", "number or date that does not exist", id="a date that does not exist"),
    pytest.param("[" * 5000, "connector.yaml:1: holds a number", id="nesting without end"),
    pytest.param("- a\n- b", "connector.yaml: is not a map of settings", id="a list"),
    pytest.param("true: x", "connector.yaml:1: has a key that is not text", id="a key that is no text"),
    pytest.param(
        GOOD + "target:\n  client: twice\n", "connector.yaml:13: has the key target twice", id="a key given twice"
    ),
    pytest.param(
        GOOD.replace("city: address.city", "city: a, city: b"),
        "connector.yaml:9: has the key city twice",
        id="an attribute given twice",
    ),
    pytest.param(
        GOOD.replace("window:", "windows:"),
        "connector.yaml:10: windows: unknown key; did you mean window?",
        id="a misspelt section",
    ),
    pytest.param(
        GOOD.replace("max_age", "maxage"),
        "connector.yaml:10: window.maxage: unknown key; did you mean max_age?",
        id="a misspelt key",
    ),
    pytest.param(
        GOOD.replace("id: customer_id", "id: customer_id\n    idd: x"),
        "connector.yaml:9: sources[0].idd: unknown key; did you mean id?",
        id="a misspelt key of a source",
    ),
    pytest.param(
        GOOD.replace("max_age", "zzz"),
        "connector.yaml:10: window.zzz: unknown key; known are max_rows, max_bytes, max_age",
        id="a key that resembles none",
    ),
    pytest.param(
        GOOD.replace("5s", "5"), "connector.yaml:10: window.max_age: has no unit; write 5s", id="a time without a unit"
    ),
    pytest.param(
        GOOD.replace("max_age: 5s", "max_bytes: -1MB"),
        "connector.yaml:10: window.max_bytes: must not be negative; write 1MB",
        id="a negative size",
    ),
    pytest.param(
        GOOD.replace("[crm.customers]", "[]"), "connector.yaml:7: sources[0].topics: must not be empty", id="no topics"
    ),
    pytest.param(
        GOOD.replace("[crm.customers]", "crm"), "connector.yaml:7: sources[0].topics: must be a list", id="one topic"
    ),
    pytest.param(
        GOOD.replace("acme", "007"), "connector.yaml:12: target.client: must be text; put it in quotes", id="a number"
    ),
    pytest.param(
        GOOD + "  base_url: http://evil.example\n",
        "connector.yaml:13: target.base_url: http is allowed only to this machine",
        id="http to a foreign host",
    ),
    pytest.param(
        GOOD + "  token_file: /nowhere/token\n",
        "connector.yaml:13: target.token_file: no such file",
        id="a token file that is missing",
    ),
    pytest.param(
        GOOD.replace("registry:8081", "registry:8081\n  token_file: /dev/null"),
        "connector.yaml:6: registry.token_file: is not a file",
        id="a token file that is none",
    ),
    pytest.param(
        GOOD.replace("profiles\n", "profiles\n  properties: {ssl.ca.location: /nowhere/ca.pem}\n"),
        "connector.yaml:4: kafka.properties.ssl.ca.location: /nowhere/ca.pem: no such file",
        id="a file for librdkafka that is not there",
    ),
    pytest.param(
        GOOD.replace("profiles\n", "profiles\n  properties: {ssl.key.location: /etc}\n"),
        "connector.yaml:4: kafka.properties.ssl.key.location: /etc: is not a file",
        id="a file for librdkafka that is a directory",
    ),
    pytest.param(
        GOOD.replace("    id:", "    framing: plain\n    schema_file: /nowhere/x.avsc\n    id:"),
        "connector.yaml:9: sources[0].schema_file: /nowhere/x.avsc: no such file",
        id="a schema file that is not there",
    ),
    pytest.param(
        GOOD + "  id_type: ecid\n",
        "connector.yaml:13: target.id_type: must be 'thirdPartyId' or 'pcId'",
        id="a word that is not known",
    ),
    pytest.param(
        GOOD.replace("  client: acme\n", "  timeout: 5s\n"),
        "connector.yaml:11: target.client: missing; give it a value, or set CONNECTOR_TARGET__CLIENT",
        id="a key that is missing",
    ),
    pytest.param(
        GOOD.replace("    id: customer_id\n", ""),
        "connector.yaml:7: sources[0].id: missing; give it a value",
        id="a key that a source lacks",
    ),
    pytest.param(GOOD.replace("window: {max_age: 5s}", "window: 5"), "window: must be a map", id="a section of text"),
    pytest.param(
        GOOD.replace("window: {max_age: 5s}", "service: {port: eighty}"),
        "connector.yaml:10: service.port: must be a whole number",
        id="a word for a number",
    ),
    pytest.param(
        GOOD.replace("window: {max_age: 5s}", "dead_letters: {brake: {share: 2}}"),
        "connector.yaml:10: dead_letters.brake.share: must be 1 or less",
        id="more than all",
    ),
    pytest.param(
        GOOD.replace("  group_id: profiles", "  group_id: profiles\n  properties: {acks: 0}"),
        "connector.yaml:4: kafka.properties: acks: refused",
        id="a property that is refused",
    ),
    pytest.param(
        GOOD.replace("registry:\n  url: http://registry:8081\n", ""),
        "connector.yaml: registry.url: missing; sources[0]",
        id="no registry",
    ),
    *(
        pytest.param(
            GOOD.replace("window:", f"    on_null: {rule}\nwindow:"),
            "connector.yaml:10: sources[0].on_null: must be leave or sentinel, or a map of these, such as",
            id=f"nulls by {rule}",
        )
        for rule in ("null", "none", "true", "[leave]")
    ),
]


@pytest.mark.parametrize(("text", "line"), BAD_FILES)
def test_a_bad_file_is_told_in_one_line_with_place_and_remedy(tmp_path: Path, text: str, line: str) -> None:
    """Place, key, problem, remedy; never a dump of pydantic's, never a stack trace."""
    path = tmp_path / "connector.yaml"
    path.write_text(text)
    lines = told(path)
    assert line in lines[0]
    assert len(lines) == 1
    assert lines[0].startswith("connector.yaml")
    assert "pydantic" not in lines[0]
    assert "Input should" not in lines[0]


def test_a_file_that_is_missing_says_how_to_name_another(tmp_path: Path) -> None:
    """The first thing that goes wrong for a newcomer."""
    lines = told(tmp_path / "nowhere.yaml")
    assert lines[0].startswith("nowhere.yaml: no such file")
    assert "--config or CONNECTOR_CONFIG" in lines[0]


def test_a_file_that_is_no_text_says_so(tmp_path: Path) -> None:
    """A keystore given by mistake is not parsed."""
    path = tmp_path / "connector.yaml"
    path.write_bytes(b"\xfe\xed\xfe\xed")
    assert told(path) == ["connector.yaml: is not UTF-8 text; write the settings as YAML"]


def test_an_empty_file_lacks_everything_by_name(tmp_path: Path) -> None:
    """All that must be given is told at once."""
    path = tmp_path / "connector.yaml"
    path.write_text("")
    assert [line.split(";")[0] for line in told(path)] == [
        "connector.yaml: kafka.bootstrap_servers: missing",
        "connector.yaml: kafka.group_id: missing",
        "connector.yaml: sources: missing",
        "connector.yaml: target.client: missing",
    ]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        pytest.param(
            "CONNECTOR_KAFKA__GROUPID",
            "x",
            "CONNECTOR_KAFKA__GROUPID: unknown variable; did you mean CONNECTOR_KAFKA__GROUP_ID?",
            id="a misspelt variable",
        ),
        pytest.param(
            "CONNECTOR_SERVICE_PORT",
            "tcp://10.0.0.1:80",
            "CONNECTOR_SERVICE_PORT: unknown variable; did you mean CONNECTOR_SERVICE__PORT? (in Kubernetes,",
            id="what Kubernetes sets for a service of our name",
        ),
        pytest.param("CONNECTOR_", "x", "CONNECTOR_: unknown variable;", id="the prefix alone"),
        pytest.param("CONNECTOR_CONFIG", "", "CONNECTOR_CONFIG: is empty", id="a file without a name"),
        pytest.param("CONNECTOR_SOURCES", "topics", "CONNECTOR_SOURCES: sources: is not JSON", id="text for a list"),
        pytest.param(
            "CONNECTOR_SOURCES",
            '[{"topics": [], "id": "a", "attributes": "all"}]',
            "CONNECTOR_SOURCES: sources[0].topics: must not be empty",
            id="a wrong key inside of JSON",
        ),
        pytest.param(
            "CONNECTOR_WINDOW__MAX_BYTES",
            "45",
            "CONNECTOR_WINDOW__MAX_BYTES: window.max_bytes: has no unit; write 45MB",
            id="a size without a unit",
        ),
        pytest.param(
            "CONNECTOR_TARGET__TOKEN_FILE",
            "/nowhere",
            "CONNECTOR_TARGET__TOKEN_FILE: target.token_file: no such file",
            id="a file that is not there",
        ),
        pytest.param(
            "CONNECTOR_KAFKA__SECRETS",
            '{"sasl.password": "/nowhere"}',
            "CONNECTOR_KAFKA__SECRETS: kafka.secrets.sasl.password: no such file",
            id="a secret that is not there",
        ),
    ],
)
def test_a_bad_variable_is_told_by_its_name(file: Path, name: str, value: str, line: str) -> None:
    """Whoever deploys looks for the variable, not for the key."""
    lines = told(None if name == "CONNECTOR_CONFIG" else file, {name: value})
    assert lines[0].startswith(line)
    assert len(lines) == 1


def test_all_problems_are_told_at_once(file: Path) -> None:
    """Nobody wants to start the service once per mistake."""
    file.write_text(GOOD.replace("5s", "5").replace("acme", "Acme"))
    lines = told(file, {"CONNECTOR_X": "1", "CONNECTOR_SERVICE__PORT": "99999"})
    assert [line.split(": ")[0] for line in lines] == [
        "CONNECTOR_X",
        "connector.yaml:10",
        "connector.yaml:12",
        "CONNECTOR_SERVICE__PORT",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"", "the file is empty; write the secret into it", id="empty"),
        pytest.param(b" \n\n", "the file is empty; write the secret into it", id="only white space"),
        pytest.param(b"planted\nplanted", "has several lines", id="several lines"),
        pytest.param(b"planted\x07", "control characters", id="a control character"),
        pytest.param(b"\xff\xfeplanted", "is not UTF-8 text", id="another encoding"),
        pytest.param(b"planted" * 20_000, "is larger than 64 KiB", id="something else altogether"),
    ],
)
def test_a_token_file_that_holds_no_token_is_told_without_its_content(
    file: Path, tmp_path: Path, content: bytes, problem: str
) -> None:
    """The error names file and key, and never shows what the file holds."""
    token = tmp_path / "token"
    token.write_bytes(content)
    (line,) = told(file, {"CONNECTOR_TARGET__TOKEN_FILE": str(token)})
    assert line.startswith("CONNECTOR_TARGET__TOKEN_FILE: target.token_file: ")
    assert problem in line
    assert "planted" not in line


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        pytest.param("ssl.key.pem", True, id="a PEM key has lines"),
        pytest.param("sasl.password", False, id="a password has one"),
    ],
)
def test_only_a_pem_key_may_have_lines(file: Path, tmp_path: Path, name: str, fine: bool) -> None:  # noqa: FBT001  a parameter of the table
    """Two lines in a password's file are a mistake, in a key they are its form."""
    (tmp_path / "secret").write_text("planted\nplanted\n")
    environ = {"CONNECTOR_KAFKA__SECRETS": json.dumps({name: str(tmp_path / "secret")})}
    if fine:
        assert load(file, environ).kafka.secrets == {name: tmp_path / "secret"}
    else:
        assert told(file, environ)[0].endswith("write the secret on one line")


# The files whose path an error shows: what they hold is public.
SHOWN = {"ca_file", "cert_file"}
TEXTS = [key for key in environment.all_keys() if not key.is_json and key.path[-1] not in SHOWN]


@pytest.mark.parametrize("key", TEXTS, ids=[key.dotted for key in TEXTS])
def test_a_secret_in_the_wrong_place_is_not_repeated(file: Path, key: environment.Key) -> None:
    """People paste a token where its file should be named, or into an address; no error shows it."""
    for planted in ("planted-t0ken", "https://me:planted-t0ken@registry", "-----BEGIN KEY-----\nplanted-t0ken"):
        try:
            load(file, {key.variable: planted})
        except SettingError as error:
            assert "t0ken" not in str(error)  # noqa: PT017  a name that passes is right too


def test_every_setting_has_a_variable_of_its_own() -> None:
    """No two keys share a name in the environment, and the sections themselves have none."""
    names = [key.variable for key in environment.all_keys()]
    assert len(names) == len(set(names))
    assert "CONNECTOR_KAFKA__GROUP_ID" in names
    assert "CONNECTOR_WINDOW" not in names


@settings(max_examples=300)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No file's content makes anything but values or one clear refusal."""
    try:
        settings_file.parse(text)
    except settings_file.SettingsTextError as refused:
        assert refused.line >= 1  # noqa: PT017  either outcome is right


def test_a_line_break_in_a_key_forges_no_second_line(file: Path) -> None:
    """Names of the user's are escaped, so that each problem stays one line."""
    file.write_text(GOOD + '"a\\nfake: all is well": 1\n')
    (line,) = told(file)
    assert "a\\nfake" in line


def _laughs(levels: int) -> str:
    """Aliases that would unfold to ten to the power of levels."""
    lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 10)}]" for n in range(levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(_laughs(9), id="aliases that unfold to a billion"),
        pytest.param(_laughs(9) + GOOD.replace("[crm.customers]", "*a8"), id="the same in the place of topics"),
        pytest.param("a: &a [*a]\n", id="a list that holds itself"),
        pytest.param("kafka: &k {properties: *k}\n", id="a map that holds itself"),
        pytest.param("[" * 1_000, id="lists in lists"),
        pytest.param("".join(f"{' ' * depth}a:\n" for depth in range(500)), id="maps in maps"),
        pytest.param("a: !!python/object/apply:os.system ['true']\n", id="a tag that runs a command"),
        pytest.param("kafka: !!set {a, b}\n", id="a set"),
        pytest.param(GOOD.replace("5s", ".inf"), id="infinity"),
        pytest.param(GOOD.replace("5s", "9" * 5_000), id="a number of 5,000 digits"),
        pytest.param(GOOD + "---\n" + GOOD, id="two documents"),
        pytest.param(GOOD + "#" + "x" * 300_000, id="a file of 300 kB"),
        pytest.param("sources: [" + "a," * 2_000 + "]\n", id="2,000 problems"),
        pytest.param("? " + "k" * 100_000 + "\n: 1\n", id="a key of 100 kB"),
        pytest.param('"\\e[31m\\u2028a\\nb\\x85": 1\n', id="a key with escapes of a terminal"),
        pytest.param('a: "\\ud800"\n', id="half a character"),
    ],
)
def test_a_hostile_file_ends_in_few_short_lines(tmp_path: Path, text: str) -> None:
    """Whatever the file does to its reader, loading ends, and what it says is short and printable."""
    path = tmp_path / "connector.yaml"
    path.write_text(text)
    lines = told(path)
    assert len(lines) <= 51
    assert all(len(line) <= 400 and line.isprintable() for line in lines)
