"""The command `check`, as far as it needs no broker: the token, Target's address, a schema that is not deployed yet."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from connector.errors import SettingError
from connector.service import cli
from connector.service.check import findings, schema_side, target_side
from connector.service.check.findings import State
from connector.service.sections import TargetSettings
from connector.service.settings import Settings
from tests.authority import Authority, written
from tests.changes import changed
from tests.samples.files import FOLDER
from tests.system.command import minimal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Something that takes connections on a port of its own, and says nothing."""

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


def target(**given: Any) -> TargetSettings:
    return TargetSettings.model_validate({"client": "acme", **given})


async def reached(**given: Any) -> tuple[State, str]:
    (found,) = [one for one in await target_side.look(target(**given), NOW) if one.name == "Target"]
    return found.state, f"{found.text} -> {found.remedy}"


async def test_target_answers() -> None:
    """Over plain http on this machine, as the simulator does."""
    async with listening() as port:
        state, text = await reached(base_url=f"http://127.0.0.1:{port}")
    assert (state, "answers, without TLS" in text) == (State.WELL, True)


async def test_target_does_not_answer() -> None:
    """Nothing listens there: the setting to look at is named."""
    async with listening() as port:
        pass
    state, text = await reached(base_url=f"http://127.0.0.1:{port}")
    assert (state, "correct target.client or target.base_url" in text) == (State.WRONG, True)
    assert f"127.0.0.1:{port} can't be reached: Connection refused ->" in text


async def test_target_does_not_speak_tls() -> None:
    """What answers there is something else: said in words, without OpenSSL's file and line."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        state, text = await reached(base_url=f"https://127.0.0.1:{port}")
    assert (state, "does not speak TLS as it must: " in text, "_ssl.c" in text) == (State.WRONG, True, False)


@pytest.mark.parametrize("trusted", [True, False])
async def test_targets_certificate_is_looked_at(tmp_path: Path, *, trusted: bool) -> None:
    """Trusted by way of `target.ca_file`, or refused with that name."""
    authority, stranger = Authority("one"), Authority("other")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(written(tmp_path, "server.pem", authority.issue("server")))
    ca_file = written(tmp_path, "ca.pem", (authority if trusted else stranger).pem)
    async with listening(tls) as port:
        state, text = await reached(base_url=f"https://127.0.0.1:{port}", ca_file=ca_file)
    if trusted:
        assert (state, "TLSv1" in text) == (State.WELL, True)
    else:
        assert (state, "is not trusted" in text, "see target.ca_file" in text) == (State.WRONG, True, True)


@pytest.mark.parametrize(
    ("expires", "state", "told"),
    [
        (None, State.WELL, "when it expires is not told"),
        ("2027-02-22T09:00:00Z", State.WELL, "expires 2027-02-22 09:00 UTC"),
        ("2026-11-28T09:00:00Z", State.UNSURE, "expires"),
        ("2026-11-24T11:00:00Z", State.WRONG, "expired"),
    ],
)
async def test_the_token_is_looked_at(tmp_path: Path, expires: str | None, state: State, told: str) -> None:
    """Until when it lasts, and never what it is."""
    given = {"token_file": written(tmp_path, "token", "a-secret-token")}
    if expires is not None:
        given["token_expires_file"] = written(tmp_path, "expires", expires)
    found = (await target_side.look(target(base_url="http://127.0.0.1:1", **given), NOW))[0]
    assert (found.name, found.state) == ("token", state)
    assert told in found.text
    assert "a-secret-token" not in str(found)


async def test_a_token_that_is_gone_is_told(tmp_path: Path) -> None:
    """With the setting that names it."""
    found = (await target_side.look(target(base_url="http://127.0.0.1:1", token_file=tmp_path / "gone"), NOW))[0]
    assert (found.state, "target.token_file" in found.text) == (State.WRONG, True)


SCHEMA = {"type": "record", "name": "Customer", "fields": [{"name": "customer_id", "type": "string"}]}
CITY = {"name": "city", "type": ["null", "string"]}


def check(tmp_path: Path, *arguments: str, schema: dict[str, Any] = SCHEMA, **changes: Any) -> tuple[int, str]:
    """Exit code and output of the command, with a candidate schema."""
    config = written(tmp_path, "connector.yaml", json.dumps(changed(minimal(), changes)))
    file = written(tmp_path, "next.avsc", json.dumps(schema))
    done = CliRunner().invoke(cli.app, ["check", "--config", config, "--schema", file, *arguments])
    if isinstance(done.exception, SettingError):  # `cli.main` makes exit code 2 of it
        return 2, str(done.exception)
    return done.exit_code, done.output


def test_a_candidate_schema_that_fits(tmp_path: Path) -> None:
    """Asks nobody: neither brokers nor a registry are there."""
    code, told = check(tmp_path, schema=SCHEMA | {"fields": [*SCHEMA["fields"], CITY]})
    assert code == 0
    assert "✓ schema" in told
    assert "id `customer_id` and 1 attributes fit" in told
    assert "ready to run" in told


def test_a_candidate_schema_that_breaks_the_mapping(tmp_path: Path) -> None:
    """A field that is gone is named, with the remedy, and a pipeline that asks fails."""
    code, told = check(tmp_path)
    assert code == 1
    assert "✗ schema" in told
    assert "next.avsc: the schema has no field `city`" in told
    assert "→ keep what the mapping needs" in told


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        pytest.param({"where": "city <> ''", "id": {"value": "sha256(customer_id)"}}, 0,
                     "id `sha256(customer_id)` and 1 attributes fit", id="fits"),
        pytest.param({"where": "city > 5"}, 1, "next.avsc: where: character 1: `city` is text, and `5`", id="where"),
        pytest.param({"attributes": {"a": {"value": "upper(town)"}}}, 1, "has no field `town`", id="value"),
        pytest.param({"id": {"value": "length(city) > 5"}}, 1, "an id must be text", id="id"),
    ],
)  # fmt: skip
def test_a_candidate_schema_is_held_against_expressions(
    tmp_path: Path, changes: dict[str, Any], code: int, told: str
) -> None:
    """Their fields must be there, and of types that go together."""
    schema = SCHEMA | {"fields": [*SCHEMA["fields"], CITY]}
    given = {f"sources__{key}": value for key, value in changes.items()}
    found, text = check(tmp_path, schema=schema, **given)
    assert (found, told in " ".join(text.split())) == (code, True)


@pytest.mark.parametrize("candidate", [True, False], ids=["a file", "a topic"])
async def test_a_tools_own_records_need_no_mapping(tmp_path: Path, *, candidate: bool) -> None:
    """A topic of Debezium's transactions among the source's is well, not a schema without the id."""
    fields = [{"name": name, "type": "string"} for name in ("status", "id", "event_count")]
    file = tmp_path / "own.avsc"
    file.write_text(json.dumps({"type": "record", "name": "TransactionMetadataValue", "fields": fields}))
    source = {"sources__shape": "debezium", "sources__framing": "plain", "sources__schema_file": str(file)}
    settings = Settings.model_validate(changed(minimal(), source))
    asked = schema_side.candidate(settings, file, None) if candidate else schema_side.look(settings, ["crm.customers"])
    (found,) = await asked
    assert (found.state, "about no profile" in found.text) == (State.WELL, True)


@pytest.mark.parametrize("candidate", [True, False], ids=["a file", "a topic"])
@pytest.mark.parametrize(
    ("path", "state"), [("after.customer_id", State.WELL), ("customer_id", State.WRONG)], ids=["it fits", "it does not"]
)
async def test_change_events_that_are_read_as_rows_are_doubted(path: str, state: State, *, candidate: bool) -> None:
    """A Debezium topic without `shape` seems to fit by paths such as `after.tier`, and its deletes are not known."""
    file = FOLDER / "debezium-mysql.avsc"
    source = {"sources__framing": "plain", "sources__schema_file": str(file), "sources__id": path}
    settings = Settings.model_validate(changed(minimal(), {**source, "sources__attributes": {"t": "after.tier"}}))
    asked = schema_side.candidate(settings, file, None) if candidate else schema_side.look(settings, ["crm.customers"])
    schema, shape = await asked
    assert (schema.state, shape.state, shape.name) == (state, State.UNSURE, "shape")
    assert "looks like `shape: debezium`, and is read as flat" in shape.text
    assert "write shape: debezium" in (shape.remedy or "")


def test_what_is_found_is_told_to_programs(tmp_path: Path) -> None:
    """As JSON, one object for each thing."""
    code, told = check(tmp_path, "--json")
    assert code == 1
    assert json.loads(told)["ok"] is False
    assert [one["state"] for one in json.loads(told)["findings"]] == ["wrong"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [([], "--topic: say whose schema it is"), (["--topic", "pos.sales"], "--topic: name one that a source reads")],
)
def test_it_must_be_clear_whose_schema_it_is(tmp_path: Path, arguments: list[str], told: str) -> None:
    """With two sources, or a topic that none of them reads."""
    other = {"topics": ["web.visits"], "id": "customer_id", "attributes": {"seen": "city"}}
    code, text = check(tmp_path, *arguments, sources=[*minimal()["sources"], other])
    assert (code, told in text) == (2, True)


def test_findings_say_whether_it_may_run() -> None:
    """What is not sure keeps nobody from starting; what is wrong does."""
    some = [findings.well("brokers", "3"), findings.unsure("schema", "none yet")]
    assert findings.ok(some)
    assert not findings.ok([*some, findings.wrong("token", "expired")])


async def test_a_registry_that_does_not_answer_ends_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service would wait for ever; a check says so."""
    monkeypatch.setattr(schema_side, "ANSWER_WITHIN_S", 0.5)
    (found,) = await schema_side.look(Settings.model_validate(minimal()), ["crm.customers"])
    assert (found.name, found.state, "does not answer" in found.text) == ("registry", State.WRONG, True)


async def test_a_folder_of_schemas_says_which_is_the_newest(tmp_path: Path) -> None:
    """Where it does not, the setting that would is named; the registry has nothing to do with it."""
    for name in ("A", "B"):
        (tmp_path / f"{name}.avsc").write_text(json.dumps(SCHEMA | {"name": name, "fields": [*SCHEMA["fields"], CITY]}))
    changes = {"sources__framing": "single-object", "sources__schema_dir": str(tmp_path)}
    told = []
    for newest in ({}, {"sources__schema_file": str(tmp_path / "B.avsc")}):
        given = Settings.model_validate(changed(minimal(), changes | newest))
        (found,) = await schema_side.look(given, [given.sources[0].topics[0]])
        told.append((found.state, found.text, found.remedy))
    assert told[0] == (State.UNSURE, "nothing says which schema of schema_dir is the newest", "name it by schema_file")
    assert told[1][0] is State.WELL, told
