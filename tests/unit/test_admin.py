"""The admin port: what it tells, whom it obeys, and whom it refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from connector.service.admin import HEADER, IDS, MAX_RECORDS, UNBLOCK, admin_app
from connector.service.health import Health
from connector.service.overview import Overview
from connector.service.settings import Settings
from connector.telemetry import BatchReport, FollowReport
from tests.system.command import minimal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web


REPORT = BatchReport(7, "age", 12, 10, 300, 1, 0, 1.5, "http://edge/m2/acme/profile/batchStatus?batchId=acme-1-7")
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Stage:
    """The port over real HTTP, and what stands behind it."""

    def __init__(self) -> None:
        self.blocked = True
        self.asked: list[int | None] = []
        self.parts: dict[str, int] = {}
        self.failed: list[str] | Exception = ["planted-id"]
        self.questions = 0
        settings = Settings.model_validate(minimal())
        self.overview = Overview(Health(lambda: NOW), lambda: settings, lambda: NOW)
        self.client: TestClient[web.Request, web.Application] = TestClient(TestServer(admin_app(self.overview, self)))

    def unblock(self, records: int | None) -> int | None:
        if self.blocked:
            self.asked.append(records)
        return (records or 10_000) if self.blocked else None

    def number_of(self, batch: str) -> int | None:
        return self.parts.get(batch)

    async def failed_rows(self, number: int) -> list[str]:
        assert number == 7
        self.questions += 1
        if isinstance(self.failed, Exception):
            raise self.failed
        return self.failed

    async def ask(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.client.get(path, headers=headers) as response:
            assert response.headers["Cache-Control"] == "no-store"
            return response.status, await response.json()

    async def post(self, body: bytes, **headers: str) -> tuple[int, Any]:
        async with self.client.post("/unblock", data=body, headers={HEADER: UNBLOCK} | headers) as response:
            return response.status, await response.json()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    async with made.client:
        yield made


async def test_it_tells_the_status(stage: Stage) -> None:
    """State, share and figures, and what is not known yet as such."""
    status, told = await stage.ask("/status")
    assert status == 200
    assert (told["state"], told["partitions"], told["lag"], told["batches"]) == ("starting", None, None, [])


async def test_it_tells_of_a_batch_by_its_number_or_targets_id(stage: Stage) -> None:
    """Counts, and what became of it, but no id of a row unless asked for."""
    stage.overview.accepted(REPORT)
    stage.overview.followed(FollowReport(7, "complete", 10, 2, 1, 3, 90.0))
    for name in ("7", "acme-1-7"):
        status, told = await stage.ask(f"/status/{name}")
        assert status == 200
        assert (told["rows"], told["end"], told["failed"], told["not_found"]) == (10, "complete", 2, 1)
        assert "failed_ids" not in told
    assert (await stage.ask("/status/8"))[0] == 404


async def test_every_part_of_a_batch_leads_to_it(stage: Stage) -> None:
    """One that was sent as several calls has as many names in Target, and the status tells of it by each."""
    stage.overview.accepted(REPORT)
    stage.parts = {"acme-1-5": 7, "acme-1-6": 7, "acme-1-7": 7}
    for name in (*stage.parts, "7"):
        status, told = await stage.ask(f"/status/{name}")
        assert (status, told["number"]) == (200, 7)
        status, told = await stage.ask(f"/status/{name}?ids=1", **{HEADER: IDS})
        assert told["failed_ids"] == ["planted-id"]


@pytest.mark.parametrize("headers", [{}, {HEADER: "yes"}], ids=["none", "another value"])
async def test_ids_are_told_only_with_the_header(stage: Stage, headers: dict[str, str]) -> None:
    """A page in a browser on this machine neither spends calls of the account nor learns an id."""
    stage.overview.accepted(REPORT)
    status, told = await stage.ask("/status/7?ids=1", **headers)
    assert status == 403
    assert "planted-id" not in str(told)
    assert stage.questions == 0


@pytest.mark.parametrize(
    ("failed", "expected", "words"),
    [
        pytest.param(["planted-id"], 200, "planted-id", id="listed"),
        pytest.param(LookupError("it"), 404, "target.follow", id="not followed"),
        pytest.param(
            TimeoutError("no call of the budget is free now"), 503, "no call of the budget", id="no call free"
        ),
        pytest.param(TimeoutError(), 503, "ask again later", id="no answer"),
    ],
)
async def test_it_tells_failed_rows_when_asked(
    stage: Stage, failed: list[str] | Exception, expected: int, words: str
) -> None:
    """Target is asked for them then; what it does not tell is said in one line."""
    stage.overview.accepted(REPORT)
    stage.failed = failed
    status, told = await stage.ask("/status/7?ids=1", **{HEADER: IDS})
    assert status == expected
    assert words in str(told)


@pytest.mark.parametrize(
    ("body", "records"),
    [
        pytest.param(b"", None, id="without a wish"),
        pytest.param(b"{}", None, id="an empty wish"),
        pytest.param(b'{"records": null}', None, id="null"),
        pytest.param(b'{"records": 7}', 7, id="a number"),
    ],
)
async def test_it_unblocks(stage: Stage, body: bytes, records: int | None) -> None:
    """It says how many records the brake lets pass."""
    assert await stage.post(body) == (202, {"starting_over": True, "records": records or 10_000})
    assert stage.asked == [records]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"records=7", id="a form"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"records": 0}', id="zero"),
        pytest.param(b'{"records": true}', id="true"),
        pytest.param(b'{"records": 1.5}', id="a fraction"),
        pytest.param(b'{"record": 1}', id="an unknown key"),
        pytest.param(b'{"records": %d}' % (MAX_RECORDS + 1), id="too many"),
        pytest.param(b"[" * 1000, id="nested without end"),
        pytest.param(b"\xff", id="no text"),
    ],
)
async def test_a_wish_it_does_not_understand_changes_nothing(stage: Stage, body: bytes) -> None:
    """A guess could empty a topic into the dead letters."""
    status, told = await stage.post(body)
    assert status == 400
    assert "records" in told["error"]
    assert stage.asked == []


async def test_a_body_without_end_is_refused(stage: Stage) -> None:
    """Nobody fills the memory through it."""
    async with stage.client.post("/unblock", data=b"x" * 100_000, headers={HEADER: UNBLOCK}) as response:
        assert response.status == 413
    assert stage.asked == []


async def test_what_is_not_blocked_stays_as_it_is(stage: Stage) -> None:
    """It says so."""
    stage.blocked = False
    assert await stage.post(b"") == (409, {"error": "nothing is blocked"})


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8085", "127.0.0.1.evil.example", "[", ""])
async def test_a_foreign_name_is_refused(stage: Stage, host: str) -> None:
    """A page whose name was made to resolve to 127.0.0.1 learns and changes nothing."""
    assert (await stage.ask("/status", Host=host))[0] == 403
    assert (await stage.post(b"", Host=host))[0] == 403
    assert stage.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9", "localhost:9", "[::1]:9"])
async def test_a_name_of_this_machine_is_answered(stage: Stage, host: str) -> None:
    """However a port-forward may call it."""
    assert (await stage.ask("/status", Host=host))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="a plain form"),
        pytest.param({"Content-Type": "application/json"}, id="JSON alone"),
        pytest.param({HEADER: "yes"}, id="another value"),
    ],
)
async def test_a_foreign_pages_form_is_refused(stage: Stage, headers: dict[str, str]) -> None:
    """A browser sends the header for a foreign page only if the port allowed it, which it never does."""
    async with stage.client.post("/unblock", data=b"", headers=headers) as response:
        assert response.status == 403
    async with stage.client.options("/unblock", headers={"Origin": "http://evil.example"}) as response:
        assert response.status == 405
        assert "Access-Control-Allow-Origin" not in response.headers
    assert stage.asked == []
