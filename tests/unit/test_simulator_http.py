"""The simulated Target over real HTTP on the loopback address."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from defusedxml import ElementTree

from connector.simulator.account import SimulatorOptions
from connector.simulator.app import Simulator
from connector.simulator.body import MAX_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

UPDATE = "/m2/acme/v2/profile/batchUpdate"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BODY = b"batch=thirdPartyId,city,tier\nid-1,M%C3%BCnchen,gold\nid-2,Rom,\n"
STORED = {"id-1": {"city": "München", "tier": "gold"}, "id-2": {"city": "Rom"}}


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


class Running:
    """A simulator that serves, with a session to ask it."""

    def __init__(self, simulator: Simulator, url: str, clock: Clock, session: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.port = int(url.rpartition(":")[2])
        self.clock = clock
        self.session = session

    async def call(self, method: str, path: str, **request: Any) -> tuple[int, str]:
        """One call; gives status and text."""
        async with self.session.request(method, path, allow_redirects=False, **request) as response:
            return response.status, await response.text()

    async def update(
        self, body: bytes = BODY, path: str = UPDATE, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """POST a batch."""
        return await self.call("POST", path, data=io.BytesIO(body), headers={**FORM, **(headers or {})})

    async def told(self, path: str) -> Any:
        """GET decoded JSON."""
        return json.loads((await self.call("GET", path))[1])


@asynccontextmanager
async def running(options: SimulatorOptions | None = None) -> AsyncIterator[Running]:
    """Serve for the time of a test."""
    clock = Clock()
    simulator = Simulator(options, clock=clock, wall=lambda: 1_700_000_000.0)
    url = await simulator.start()
    try:
        async with aiohttp.ClientSession(url) as session:
            yield Running(simulator, url, clock, session)
    finally:
        await simulator.stop()


def element(xml: str, name: str) -> str:
    """The text of one element of an answer."""
    found = ElementTree.fromstring(xml).find(name)
    assert found is not None
    return found.text or ""


async def test_an_accepted_batch_is_answered_as_documented() -> None:
    """200, success=true, the documented message, and a status address on the simulator's own host and port."""
    async with running() as target:
        status, text = await target.update()
        url = element(text, "batchStatus")
        assert (status, element(text, "success")) == (200, "true")
        assert element(text, "message") == "Batch submitted for processing"
        assert url.startswith(f"http://127.0.0.1:{target.port}/m2/acme/")
        assert target.simulator.profiles == STORED
        batch_id = f"<batchId>{url.split('=')[1]}</batchId>"
        told = f"<response>{batch_id}<status>complete</status><batchSize>2</batchSize></response>"
        assert await target.call("GET", url) == (200, told)


async def test_a_status_tells_counts_if_asked() -> None:
    """`showDetails` adds what v1 did not find, under both paths."""
    async with running() as target:
        await target.call("POST", "/simulator/mbox/id-1")
        _, text = await target.update(path="/m2/acme/profile/batchUpdate")
        batch_id = element(text, "batchStatus").split("=")[1]
        for path in ("/m2/acme/profile/batchStatus", "/m2/acme/v2/profile/batchStatus"):
            _, text = await target.call("GET", path, params={"batchId": batch_id, "showDetails": "true"})
            counts = ("consumedCount", "successfulUpdates", "profilesNotFound", "failedUpdates")
            assert [element(text, count) for count in counts] == ["2", "1", "1", "0"]
        assert list(target.simulator.profiles) == ["id-1"]


async def test_a_batch_is_incomplete_during_ingestion() -> None:
    """Its status changes and its rows appear when the delay is over."""
    async with running(SimulatorOptions(ingestion_delay_s=30)) as target:
        _, text = await target.update()
        url = element(text, "batchStatus")
        assert element((await target.call("GET", url))[1], "status") == "incomplete"
        assert target.simulator.profiles == {}
        target.clock.now += 30
        assert element((await target.call("GET", url))[1], "status") == "complete"
        assert target.simulator.profiles == STORED


async def test_failed_rows_are_counted_and_listed_if_asked() -> None:
    """Each row that a fault names fails once; with details the status lists it, and only it."""
    async with running() as target:
        for profile_id in ("id-1", "id-9"):
            target.simulator.faults.add("failed_row", profile_id=profile_id, times=1)
        url = element((await target.update())[1], "batchStatus")
        assert "failed" not in (await target.call("GET", url))[1]
        _, text = await target.call("GET", f"{url}&showDetails=true")
        assert [element(text, name) for name in ("successfulUpdates", "failedUpdates")] == ["1", "1"]
        rows = ElementTree.fromstring(text).findall("profile")
        assert [(row.findtext("id"), row.findtext("status")) for row in rows] == [("id-1", "failed")]
        assert list(target.simulator.profiles) == ["id-2"]
        await target.update()
        assert list(target.simulator.profiles) == ["id-2", "id-1"]


async def test_a_status_can_be_forgotten() -> None:
    """A fault makes a known status an unknown one for as long as it lasts."""
    async with running() as target:
        url = element((await target.update())[1], "batchStatus")
        target.simulator.faults.add("forgotten", on="status", times=1)
        assert [(await target.call("GET", url))[0] for _ in range(2)] == [404, 200]


async def test_an_unknown_batch_id_is_not_found() -> None:
    """A status that never was, or is forgotten, is 404."""
    async with running() as target:
        status, text = await target.call("GET", "/m2/acme/profile/batchStatus?batchId=acme-1-1")
        assert (status, element(text, "success")) == (404, "false")


async def test_old_samples_do_not_escape_the_ampersand() -> None:
    """With that option the answer is not well-formed XML, and its address works as it stands."""
    async with running(SimulatorOptions(bare_ampersand=True)) as target:
        _, text = await target.update()
        url = text.split("<batchStatus>")[1].split("</batchStatus>")[0]
        assert "&m2Node=00" in url
        with pytest.raises(ElementTree.ParseError):
            ElementTree.fromstring(text)
        assert (await target.call("GET", url))[0] == 200


async def test_an_ambiguous_batch_is_refused_at_200_and_listed() -> None:
    """success=false, empty batchStatus, a message, nothing applied, the reason in the summary."""
    async with running() as target:
        status, text = await target.update(b"batch=thirdPartyId,a\nx,1,2")
        assert (status, element(text, "success"), element(text, "batchStatus")) == (200, "false", "")
        assert element(text, "message") == "A row with more cells than the header (line 2)"
        summary = target.simulator.summary()
        assert (summary.refusals, summary.calls, summary.batches) == ({"too_many_cells": 1}, {"refused": 1}, 0)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param({"Content-Type": "text/csv"}, "content_type", id="another content type"),
        pytest.param({"Content-Type": "multipart/form-data; boundary=x"}, "content_type", id="multipart"),
        pytest.param(
            {"Content-Type": "application/x-www-form-urlencoded; charset=latin-1"}, "content_type", id="another charset"
        ),
        pytest.param({"Content-Encoding": "gzip"}, "content_encoding", id="a compressed body"),
        pytest.param({"Content-Encoding": "identity"}, "content_encoding", id="any Content-Encoding"),
    ],
)
async def test_other_headers_are_refused(headers: dict[str, str], reason: str) -> None:
    """The body is a form, as it is; nothing else is guessed at."""
    async with running() as target:
        status, text = await target.update(headers=headers)
        assert (status, element(text, "success")) == (200, "false")
        assert target.simulator.summary().refusals == {reason: 1}


async def test_a_charset_of_utf_8_may_be_named() -> None:
    """It says what is so anyway."""
    async with running() as target:
        content_type = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
        assert element((await target.update(headers=content_type))[1], "success") == "true"


async def test_a_body_of_50_mb_is_too_large() -> None:
    """413 at the limit, read to its end so that the sender hears it; one byte less is read."""
    async with running() as target:
        full = b"batch=thirdPartyId,a\nx,".ljust(MAX_BODY_BYTES, b"1")
        assert (await target.update(full))[0] == 413
        assert target.simulator.profiles == {}
        assert (await target.update(full[:-1]))[0] == 200
        assert target.simulator.summary().calls == {"too_large": 1, "accepted": 1}


async def test_calls_beyond_the_limit_are_answered_503() -> None:
    """Updates and statuses count together in any 60 seconds; there is no Retry-After, and nothing is applied."""
    async with running(SimulatorOptions(calls_per_minute=2)) as target:
        _, text = await target.update(b"batch=pcId,a\nx,1")
        assert (await target.call("GET", element(text, "batchStatus")))[0] == 200
        async with target.session.post(UPDATE, data=BODY, headers=FORM) as response:
            assert (response.status, response.headers.get("Retry-After")) == (503, None)
        assert (await target.call("GET", element(text, "batchStatus")))[0] == 503
        assert list(target.simulator.profiles) == ["x"]
        target.clock.now += 60
        assert (await target.update())[0] == 200
        summary = target.simulator.summary()
        assert (summary.most_calls_in_60_s, summary.calls_in_last_60_s) == (4, 1)
        assert summary.calls == {"accepted": 2, "status": 1, "over_budget": 2}


async def test_questions_are_no_calls() -> None:
    """Neither the simulator's own addresses nor Profile Fetch count against the limit."""
    async with running(SimulatorOptions(calls_per_minute=1)) as target:
        for path in ("/", "/simulator/summary", "/simulator/profiles", "/simulator/faults"):
            assert (await target.call("GET", path))[0] == 200
        await target.call("GET", "/rest/v1/profiles/thirdPartyId/x?client=acme")
        assert target.simulator.summary().calls_in_last_60_s == 0


async def test_with_authentication_every_call_needs_the_token() -> None:
    """403 `Forbidden` without it, with a wrong one, and with the old one after a change."""
    async with running(SimulatorOptions(token="first")) as target:
        for headers in ({}, {"Authorization": "Bearer second"}, {"Authorization": "first"}):
            assert await target.update(headers=headers) == (403, "Forbidden")
        assert (await target.call("GET", "/m2/acme/profile/batchStatus?batchId=x"))[0] == 403
        assert (await target.call("GET", "/rest/v1/profiles/thirdPartyId/x?client=acme"))[0] == 403
        assert (await target.update(headers={"Authorization": "Bearer first"}))[0] == 200
        await target.call("PUT", "/simulator/token", data="second")
        assert (await target.update(headers={"Authorization": "Bearer first"}))[0] == 403
        assert (await target.update(headers={"Authorization": "Bearer second"}))[0] == 200
        target.simulator.change_token(None)
        assert (await target.update())[0] == 200


async def test_another_client_code_is_a_bad_request() -> None:
    """The client code of the address must be the account's."""
    async with running() as target:
        assert (await target.update(path="/m2/other/v2/profile/batchUpdate"))[0] == 400
        assert (await target.call("GET", "/rest/v1/profiles/thirdPartyId/x?client=other"))[0] == 400


@pytest.mark.parametrize(
    ("kind", "status", "word"),
    [
        ("503", 503, "503"),
        ("500", 500, "500"),
        ("401", 401, "Unauthorized"),
        ("403", 403, "Forbidden"),
        ("400", 400, "Bad Request"),
        ("413", 413, "413"),
        ("429", 429, "Too Many"),
        ("redirect", 302, ""),
        ("success_false", 200, "<success>false</success>"),
        ("garbage", 200, "<html>"),
    ],
)
async def test_a_fault_takes_the_place_of_the_answer(kind: str, status: int, word: str) -> None:
    """Nothing is applied, the fault is counted under its name, and the next call is well."""
    async with running() as target:
        target.simulator.faults.add(kind, times=1)
        answer = await target.update()
        assert answer[0] == status
        assert word in answer[1]
        assert "<success>true</success>" not in answer[1]
        assert target.simulator.profiles == {}
        assert (await target.update())[0] == 200
        summary = target.simulator.summary()
        assert (summary.calls, summary.refusals) == ({f"fault_{kind}": 1, "accepted": 1}, {})


async def test_429_and_redirect_carry_their_headers() -> None:
    """Retry-After and Location are as switched."""
    async with running() as target:
        target.simulator.faults.add("429", times=1, retry_after_s=7)
        target.simulator.faults.add("redirect", times=1, location="http://example.invalid/x")
        async with target.session.post(UPDATE, data=BODY, headers=FORM) as response:
            assert response.headers["Retry-After"] == "7"
        async with target.session.post(UPDATE, data=BODY, headers=FORM, allow_redirects=False) as response:
            assert response.headers["Location"] == "http://example.invalid/x"


@pytest.mark.parametrize(("kind", "stored"), [("cut_before", {}), ("cut_after", STORED)])
async def test_a_cut_connection_gives_no_answer(kind: str, stored: dict[str, dict[str, str]]) -> None:
    """The sender cannot tell whether the batch was applied; the kind of the fault says which."""
    async with running() as target:
        target.simulator.faults.add(kind, times=1)
        with pytest.raises(aiohttp.ClientConnectionError):
            await target.update()
        assert target.simulator.profiles == stored
        assert (await target.update())[0] == 200
        summary = target.simulator.summary()
        assert summary.calls == {f"fault_{kind}": 1, "accepted": 1}
        assert summary.duplicate_rows == len(stored)


async def test_a_slow_answer_comes_at_last() -> None:
    """The batch is applied after the delay."""
    async with running() as target:
        target.simulator.faults.add("slow", times=1, delay_s=0.01)
        assert (await target.update())[0] == 200
        assert target.simulator.profiles == STORED


async def test_a_slow_call_that_the_sender_gave_up_is_not_applied() -> None:
    """What the sender takes for undelivered is undelivered."""
    async with running() as target:
        target.simulator.faults.add("slow", times=1, delay_s=0.2)
        with pytest.raises(TimeoutError):
            await target.call("POST", UPDATE, data=BODY, headers=FORM, timeout=aiohttp.ClientTimeout(0.05))
        while not target.simulator.summary().calls:  # noqa: ASYNC110 - the end of a handler has no event to wait for
            await asyncio.sleep(0.01)
        assert target.simulator.summary().calls == {"hung_up": 1}
        assert target.simulator.profiles == {}


async def test_poison_refuses_only_batches_with_that_row() -> None:
    """Halving a batch finds the row."""
    async with running() as target:
        target.simulator.faults.add("poison", profile_id="id-1")
        assert element((await target.update())[1], "success") == "false"
        assert element((await target.update(b"batch=pcId,a\nid-2,1"))[1], "success") == "true"
        assert target.simulator.summary().refusals == {"poison": 1}


async def test_a_stuck_batch_says_so() -> None:
    """It is accepted, its status is stuck, and its rows never appear."""
    async with running() as target:
        target.simulator.faults.add("stuck", times=1)
        _, text = await target.update()
        assert element((await target.call("GET", element(text, "batchStatus")))[1], "status") == "stuck"
        assert target.simulator.profiles == {}


async def test_statuses_can_fail_as_well() -> None:
    """A fault on statuses leaves updates alone."""
    async with running() as target:
        target.simulator.faults.add("500", on="status", times=1)
        _, text = await target.update()
        url = element(text, "batchStatus")
        assert [(await target.call("GET", url))[0] for _ in range(2)] == [500, 200]


async def test_faults_are_switched_over_http() -> None:
    """POST adds, GET lists without the poisoned id, DELETE clears; nonsense is 400 with one line."""
    async with running() as target:
        assert (await target.call("POST", "/simulator/faults", json={"kind": "503", "seconds": 5}))[0] == 204
        await target.call("POST", "/simulator/faults", json={"kind": "poison", "profile_id": "secret-id"})
        listed = await target.told("/simulator/faults")
        assert [fault["kind"] for fault in listed] == ["503", "poison"]
        assert "secret-id" not in json.dumps(listed)
        assert (await target.update())[0] == 503
        target.clock.now += 5
        assert (await target.update())[0] == 200
        await target.call("DELETE", "/simulator/faults")
        assert await target.told("/simulator/faults") == []
        assert await target.call("POST", "/simulator/faults", json={"kind": "503", "times": 0}) == (
            400,
            '{"error": "times: Input should be greater than or equal to 1"}',
        )
        assert await target.call("POST", "/simulator/faults", data="{") == (400, '{"error": "the body is not JSON"}')


async def test_profiles_can_be_asked_for() -> None:
    """One by its id, or all as JSON lines, whatever characters they hold."""
    async with running() as target:
        await target.update(BODY + "id-3\u2028,x%E2%80%A8y\n".replace("\u2028", "%E2%80%A8").encode())
        stored = STORED | {"id-3\u2028": {"city": "x\u2028y"}}
        _, lines = await target.call("GET", "/simulator/profiles")
        told = [json.loads(line) for line in lines.splitlines()]
        assert {line["id"]: line["attributes"] for line in told} == stored
        assert await target.told("/simulator/profiles/id-1") == {"id": "id-1", "attributes": STORED["id-1"]}
        assert (await target.call("GET", "/simulator/profiles/other"))[0] == 404


async def test_what_was_written_lately_can_be_asked_for() -> None:
    """Profiles of rows after a number, newest first, with the highest version ever, even if a lower one came later."""
    async with running(SimulatorOptions(version_attribute="v")) as target:
        await target.update(b"batch=thirdPartyId,v\na,7\nb,1\n")
        await target.update(b"batch=thirdPartyId,v\na,5\nc,none\n")
        _, lines = await target.call("GET", "/simulator/written?since=2")
        assert [json.loads(line) for line in lines.splitlines()] == [
            {"written": 4},
            {"id": "c", "attributes": {"v": "none"}, "highest_version": None},
            {"id": "a", "attributes": {"v": "5"}, "highest_version": 7},
        ]
        assert (await target.call("GET", "/simulator/written?since=4"))[1] == '{"written": 4}\n'
        assert len((await target.call("GET", "/simulator/written"))[1].splitlines()) == 4
        assert (await target.call("GET", "/simulator/written?since=x"))[0] == 400


async def test_reversals_can_be_asked_for() -> None:
    """When a newer row came, and the older one that replaced it, and in which batch."""
    async with running(SimulatorOptions(version_attribute="v")) as target:
        await target.update(b"batch=thirdPartyId,v\na,7\nb,7\n")
        await target.update(b"batch=thirdPartyId,v\na,5\nb,5\n")
        [told] = await target.told("/simulator/reversals")
        assert (told["rows"], told["batch_id"].startswith("acme-")) == (2, True)
        assert 1e9 < told["newer_at"] <= told["older_at"]


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["without a final newline", "with one"])
async def test_a_fault_can_spare_small_batches(end: bytes) -> None:
    """With `min_rows` a fault strikes batches of so many rows or more, and counts only those."""
    async with running() as target:
        target.simulator.faults.add("success_false", times=1, min_rows=2)
        small, large = b"batch=thirdPartyId,v\na,1" + end, b"batch=thirdPartyId,v\na,1\nb,1" + end
        answers = [(await target.update(body))[1] for body in (small, large, large)]
        assert ["<success>true" in answer for answer in answers] == [True, False, True]


async def test_profile_fetch_answers_as_documented() -> None:
    """Attributes by bare name with the time of change; 404 names client and id."""
    async with running() as target:
        await target.update(b"batch=thirdPartyId,city\nid-1,Rom")
        target.clock.now += 5
        at = "2023-11-14T22:13:20.000+00:00"
        assert await target.told("/rest/v1/profiles/thirdPartyId/id-1?client=acme") == {
            "client": "acme",
            "visitorId": "id-1",
            "modifiedAt": at,
            "profileAttributes": {"city": {"value": "Rom", "modifiedAt": at}},
        }
        assert await target.call("GET", "/rest/v1/profiles/thirdPartyId/x?client=acme") == (
            404,
            '{"status": 404, "message": "No profile found for client acme with third party id=x"}',
        )
        assert (await target.told("/rest/v1/profiles/x?client=acme"))["message"].endswith("with mboxPC=x")


async def test_an_mbox_call_commits_what_is_pending() -> None:
    """Over HTTP and in the process alike, attributes of before survive a later batch that does not name them."""
    async with running() as target:
        await target.update(b"batch=pcId,a\nx,1\ny,1\nz,1")
        await target.call("POST", "/simulator/mbox/x")
        target.simulator.visit("y")
        await target.update(b"batch=pcId,b\nx,2\ny,2\nz,2")
        assert target.simulator.profiles == {"x": {"a": "1", "b": "2"}, "y": {"a": "1", "b": "2"}, "z": {"b": "2"}}


async def test_summary_and_page_tell_the_same() -> None:
    """JSON for tests, lines for people."""
    async with running() as target:
        await target.update()
        assert await target.told("/simulator/summary") == asdict(target.simulator.summary())
        assert "batches: 1" in (await target.call("GET", "/"))[1]


async def test_the_state_outlives_a_stop() -> None:
    """A stop and a start on the same port is an outage: nothing answers meanwhile, nothing is forgotten."""
    async with running() as target:
        await target.update()
        await target.simulator.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await target.update()
        await target.simulator.start(port=target.port)
        assert (await target.update())[0] == 200
        assert (target.simulator.summary().batches, target.simulator.profiles) == (2, STORED)


async def test_a_port_that_is_taken_is_an_error() -> None:
    """The second simulator says so, and stopping it does nothing."""
    async with running() as target:
        second = Simulator()
        with pytest.raises(OSError, match="address"):
            await second.start(port=target.port)
        await second.stop()


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
async def test_a_sender_that_dies_in_mid_body_leaves_nothing(framing: str, caplog: pytest.LogCaptureFixture) -> None:
    """Half a body is not applied, although it would parse; the simulator counts it and goes on without a word."""
    async with running() as target:
        _, writer = await asyncio.open_connection("127.0.0.1", target.port)
        head = f"POST {UPDATE} HTTP/1.1\r\nHost: x\r\n{framing}\r\nContent-Type: {FORM['Content-Type']}\r\n\r\n"
        chunk = f"{len(BODY):x}\r\n".encode() if "chunked" in framing else b""
        writer.write(head.encode() + chunk + BODY)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        await target.update(b"batch=pcId,a\nx,1")
        assert target.simulator.summary().calls == {"hung_up": 1, "accepted": 1}
        assert list(target.simulator.profiles) == ["x"]
        assert caplog.text == ""
