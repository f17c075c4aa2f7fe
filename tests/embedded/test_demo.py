"""The demo comes to its end as a user expects, and its verdict can be trusted.

A play takes some twelve seconds, nearly all of it waiting, so the commands are started together and play side by side.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from http.client import RemoteDisconnected
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from connector.errors import FatalError
from connector.kafka.embedded import EmbeddedBroker
from connector.service.demo import real_feed
from connector.service.demo.demo import DemoOptions, run
from connector.service.demo.evidence import Witness
from connector.service.demo.feed import TOPIC, FeedOptions
from connector.service.demo.screen import Screen
from connector.service.demo.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector.service.demo.evidence import Evidence
    from connector.service.demo.truth import Truth
    from connector.service.demo.verdict import Check

COMMAND = str(Path(sys.executable).parent / "target-connector")
SMALL = ("demo", "--events", "2400", "--customers", "500")
PATIENCE_S = 90.0  # for what takes 12 s on a quiet machine
PROMISES = (
    "Nothing is lost",
    "Newest wins",
    "Nothing goes back",
    "Dead letters",
    "A row never shifts",
    "The account is safe",
)


def start(*arguments: str, tmp: Path) -> subprocess.Popen[str]:
    # Without what CI systems set to get colours from what is no terminal: the demo must not need that.
    environ = {**os.environ, "TMPDIR": str(tmp), "FORCE_COLOR": "1"}
    return subprocess.Popen(
        [COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1, env=environ
    )


def read_until(stream: IO[str], pattern: str) -> re.Match[str]:
    """Reads lines up to the first that matches; the process' end is an end of the stream."""
    for told in stream:
        if found := re.search(pattern, told):
            return found
    pytest.fail(f"nothing like {pattern}")


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that came to its end."""

    code: int
    out: str
    err: str
    logs: Sequence[str]


def ended(process: subprocess.Popen[str], tmp: Path) -> Ended:
    with process:
        out, err = process.communicate(timeout=PATIENCE_S)
        return Ended(process.returncode, out, err, [path.read_text("utf-8") for path in tmp.glob("*.log")])


@dataclass(frozen=True, slots=True)
class Plays:
    """What plays in processes of its own, started together."""

    plain: subprocess.Popen[str]
    intruded: subprocess.Popen[str]
    plain_tmp: Path
    intruded_tmp: Path


@pytest.fixture(scope="module")
def plays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plays]:
    """Two demos, under way."""
    plain, intruded = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("intruded")
    plays = Plays(start(*SMALL, tmp=plain), start(*SMALL, tmp=intruded), plain, intruded)
    yield plays
    for process in (plays.plain, plays.intruded):
        process.kill()
        process.communicate()


def intrude(target_url: str) -> None:
    """Another tool writes a profile that the CRM knows nothing of."""
    request = urllib.request.Request(  # noqa: S310 (http, as the demo printed it)
        f"{target_url}/m2/acme/v2/profile/batchUpdate",
        data=b"batch=thirdPartyId,tier\nstranger,GOLD\n",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    for _ in range(10):  # on a slow machine it may meet the faults that are meant for the connector
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310 (as above)
                assert b"<success>true</success>" in answer.read()
                return
        except (urllib.error.URLError, RemoteDisconnected):
            continue
    pytest.fail("Target never took the intruder's batch")


@dataclass(frozen=True, slots=True)
class Inside:
    """What two plays in this process came to: one as it is, one judged by another truth."""

    kept: bool
    told: str
    attributes: frozenset[str]
    kept_by_another_truth: bool
    told_by_another_truth: str


@pytest.fixture(scope="module")
def inside(plays: Plays) -> Inside:
    """Played side by side with each other and with the commands."""
    assert plays.intruded.stdout is not None
    intrude(read_until(plays.intruded.stdout, r"Target is simulated: (http://[0-9.:]+);")[1])
    return asyncio.run(play_inside())


async def play_inside() -> Inside:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    attributes: set[str] = set()

    def look(truth: Truth, evidence: Evidence) -> Sequence[Check]:
        attributes.update(*evidence.profiles.values())
        return judge(truth, evidence)

    def lie(truth: Truth, evidence: Evidence) -> Sequence[Check]:
        next(iter(truth.newest.values()))["tier"] = "TIN"
        loop.call_soon_threadsafe(stop.set)  # `keep` would go on for ever
        return judge(truth, evidence)

    files = [io.BytesIO(), io.BytesIO()]
    one, other = (io.TextIOWrapper(file, "utf-8", write_through=True) for file in files)
    kept, kept_by_another = await asyncio.gather(
        run(DemoOptions(2_400, 500, seed=7), Screen(one), asyncio.Event(), judge=look),
        run(DemoOptions(600, 500, keep=True), Screen(other), stop, judge=lie),
    )
    told, told_by_another = (file.getvalue().decode() for file in files)
    return Inside(kept, told, frozenset(attributes), kept_by_another, told_by_another)


def test_a_play_ends_with_every_promise_kept(inside: Inside) -> None:
    """The schema changes half-way, Target fails in the middle, and all comes out as the feed says."""
    assert inside.kept
    for promise in PROMISES:
        assert f"✓ {promise}" in inside.told
    for moment in ("preferred_channel, to its schema: version 2", "Target breaks down", "Target answers again"):
        assert moment in inside.told
    assert {"address.city", "preferred_channel"} < inside.attributes


def test_another_truth_is_another_verdict(inside: Inside) -> None:
    """Had one event said something else, Target would be found wrong; `keep` says where to look, until told to stop."""
    assert not inside.kept_by_another_truth
    assert "✗ Newest wins          of 500 profiles 1 differ (most in tier)" in inside.told_by_another_truth
    assert inside.told_by_another_truth.count("✗") == 1
    assert "Still running until Ctrl-C" in inside.told_by_another_truth


def test_the_command_ends_well(plays: Plays) -> None:
    """Exit code 0, plain text without an escape code, nothing on standard error, the service's log in a file."""
    play = ended(plays.plain, plays.plain_tmp)
    assert (play.code, play.err) == (0, "")
    for promise in PROMISES:
        assert f"✓ {promise}" in play.out
    assert "Every promise is kept" in play.out
    assert "\x1b" not in play.out
    assert len(play.logs) == 1
    assert "batch_accepted" in play.logs[0]
    assert "dead_lettered" in play.logs[0]


def test_the_command_fails_where_target_holds_something_else(plays: Plays) -> None:
    """A profile in Target that no event is about, put there by another tool, is noticed: exit code 1, and why."""
    play = ended(plays.intruded, plays.intruded_tmp)
    assert play.code == 1
    assert "✗ Newest wins          of 500 profiles 0 differ, 0 are missing; 1 too many" in play.out
    assert play.out.count("✗") == 1
    assert "A promise is BROKEN" in play.out


def test_ctrl_c_in_a_terminal_ends_it_without_a_trace(tmp_path: Path) -> None:
    """The live panel stays as it was, the cursor comes back, and nothing looks like a crash."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TMPDIR": str(tmp_path), "TERM": "xterm"}
    with subprocess.Popen([COMMAND, "demo"], stdout=theirs, stderr=theirs, env=environ) as process:
        os.close(theirs)
        seen = b""
        while b"framing" not in seen:  # the first dead letter: all of it is under way
            seen += os.read(ours, 65_536)
        process.send_signal(signal.SIGINT)
        seen += rest(ours)
        assert process.wait(PATIENCE_S) == 1
    told = seen.decode(errors="replace")  # the signal may cut a character in two
    assert "╭─" in told
    assert "Stopped before the verdict." in told
    assert told.rfind("\x1b[?25h") > told.rfind("\x1b[?25l") > -1
    assert "Traceback" not in told


def rest(terminal: int) -> bytes:
    seen = b""
    while True:
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # how Linux tells that nobody writes to it any more
            piece = b""
        if not piece:
            os.close(terminal)
            return seen
        seen += piece


# The parts as commands of their own


def ask(url: str, token: str | None = None, *, data: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=data)  # noqa: S310 (http, as the command printed it)
    request.add_header("Content-Type", "application/x-www-form-urlencoded")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310 (as above)
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


def test_target_alone_is_what_its_options_say(tmp_path: Path) -> None:
    """One line with the address; client, token, reading and delay as told; SIGTERM ends it with exit code 0."""
    (tmp_path / "token").write_text("t0ken\n")
    options = ["--port", "0", "--client", "zeta", "--token-file", str(tmp_path / "token")]
    process = start("simulate-target", *options, "--reading", "merge", "--calls-per-minute", "3", tmp=tmp_path)
    with process:
        assert process.stdout is not None
        url = read_until(process.stdout, r"^A simulated Adobe Target at (http://127\.0\.0\.1:\d+)$")[1]
        batches = f"{url}/m2/zeta/v2/profile/batchUpdate"
        assert ask(batches, data=b"batch=thirdPartyId,tier\na,GOLD\n")[0] == 403
        assert ask(batches, "t0ken", data=b"batch=thirdPartyId,tier\na,GOLD\n")[0] == 200
        assert ask(batches, "t0ken", data=b"batch=thirdPartyId,city\na,Graz\n")[0] == 200
        assert ask(batches, "t0ken", data=b"batch=thirdPartyId,city\na,Graz\n")[0] == 503
        profile = json.loads(ask(f"{url}/simulator/profiles/a")[1])
        assert profile["attributes"] == {"tier": "GOLD", "city": "Graz"}
        process.terminate()
        assert process.communicate(timeout=PATIENCE_S) == ("", "")
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param(
            ["--port", "{taken}"], "error: --port: 127.0.0.1:{taken} cannot be listened on", id="a port taken"
        ),
        pytest.param(["--token-file", "nowhere"], "error: --token-file: no such file", id="no token file"),
        pytest.param(["--ingestion-delay", "5"], "has no unit", id="a delay without a unit"),
        pytest.param(["--reading", "guess"], "'guess' is not one of", id="an unknown reading"),
    ],
)
def test_what_target_alone_cannot_do_is_one_line(tmp_path: Path, options: list[str], told: str) -> None:
    """Exit code 2, the option and the reason, no trace."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken = listening.getsockname()[1]
        process = start("simulate-target", *(option.format(taken=taken) for option in options), tmp=tmp_path)
        done = ended(process, tmp_path)
    assert done.code == 2
    assert told.format(taken=taken) in " ".join(done.err.split())
    assert "Traceback" not in done.err


async def test_the_feed_writes_all_its_records_elsewhere() -> None:
    """`demo-feed` brings every record, bad ones too, to brokers that are not in its process."""
    told: list[str] = []
    with EmbeddedBroker() as broker, closing(Witness(broker.bootstrap_servers, "nobody")) as witness:
        broker.create_topic(TOPIC, 2)
        broker.set_rtt(1, 200)  # so that what is not waited for is not there yet
        place = real_feed.Place(broker.bootstrap_servers, "mock://", TOPIC)
        await real_feed.feed(place, FeedOptions(1_000, 100, 1, per_s=100_000.0), told.append)
        ends = await asyncio.to_thread(witness.ends, TOPIC, 2)
    assert sum(ends.values()) == 1_000
    assert told[-1] == "All records are written."


async def test_the_feed_stops_when_told() -> None:
    """SIGTERM ends it at once, as compose does, without an error."""
    told: list[str] = []

    def say(text: str) -> None:
        told.append(text)
        if "version 1" in text:
            os.kill(os.getpid(), signal.SIGTERM)

    with EmbeddedBroker() as broker:
        broker.create_topic(TOPIC, 2)
        place = real_feed.Place(broker.bootstrap_servers, "mock://", TOPIC)
        await real_feed.feed(place, FeedOptions(1_000, 100, 1, per_s=1.0), say)
    assert told[-1] == "Stopped."


async def test_the_feed_says_that_the_registry_does_not_answer() -> None:
    """The command then ends with exit code 1 and this line."""
    with EmbeddedBroker() as broker:
        broker.create_topic(TOPIC, 2)
        place = real_feed.Place(broker.bootstrap_servers, "http://127.0.0.1:1", TOPIC)
        with pytest.raises(FatalError, match="the registry does not answer"):
            await real_feed.feed(place, FeedOptions(1_000, 100, 1, per_s=1.0), lambda _: None)
