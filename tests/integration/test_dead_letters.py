"""Dead letters listed, shown and replayed by the installed command, on real Kafka."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from connector.errors import FatalError
from connector.kafka import letters as shelf
from connector.kafka.letters import Letter, position_of
from connector.kafka.ranges import Ranges
from connector.kafka.replay import Copier, Copy
from connector.kafka.reread import Gone
from connector.records import Partition, Reason
from connector.service.dead_letters import replaying
from connector.service.dead_letters.filters import Filter
from connector.service.dead_letters.judging import Options, Outcome
from connector.service.dead_letters.replaying import Place
from tests.integration.letters_desk import Desk, datum
from tests.processes import COMMAND, simulated_target, wait_for
from tests.system.command import environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.containers import Kafka

pytestmark = pytest.mark.containers

WORD = "PLANTED"


@pytest.fixture
def desk(kafka: Kafka, tmp_path: Path) -> Desk:
    return Desk(kafka, tmp_path)


def place(desk: Desk) -> Place:
    return Place(desk.properties, desk.dead, lambda topic: topic == desk.source)


def copies(desk: Desk) -> list[tuple[bytes | None, bytes | None]]:
    """Key and value of what was replayed, as a reader of committed records sees it, in the topic's order."""
    found = [(dict(message.headers() or []), message) for message in desk.committed(desk.source)]
    return [(m.key(), m.value()) for headers, m in found if "target-connector.replayed-from" in headers]


def test_letters_are_listed_without_what_they_hold(desk: Desk) -> None:
    """Position, time, reason, origin and stage of each; no key, no value, and Target's words only when asked for."""
    first = desk.write(WORD.encode(), datum(WORD, WORD), partition=1)
    desk.dead_letter(first, reason=Reason.UNSAFE_TEXT, detail="attribute city holds a comma")
    desk.dead_letter(first, reason=Reason.REFUSED, detail=f"no such thing as {WORD}")
    unsafe, refused = desk.listed()
    now = time.time()
    assert unsafe.pop("time")[:13] == time.strftime("%Y-%m-%dT%H", time.gmtime(now))
    assert unsafe == {
        "position": "0:0",
        "reason": "unsafe_text",
        "topic": desk.source,
        "partition": 1,
        "offset": 0,
        "stage": "TRANSFORMATION",
        "detail": "attribute city holds a comma",
        "key_bytes": len(WORD),
        "value_bytes": len(datum(WORD, WORD)),
        "replayed": False,
    }
    assert refused["detail"] is None
    table = desk.run("list")
    assert table.code == 0
    assert WORD not in table.out + table.err
    assert table.out.splitlines()[-1] == "2 letters (refused 1, unsafe_text 1), replayed: 0"
    assert "attribute city holds a comma" in table.out
    assert WORD in desk.listed("--values")[1]["detail"]


def test_letters_are_filtered(desk: Desk) -> None:
    """By reason, by topic, by time; together they must all fit; the newest so many are shown and all are counted."""
    record = desk.write(b"k", b"v")
    desk.dead_letter(*[record] * 3, reason=Reason.FRAMING)
    desk.dead_letter(*[record] * 2, reason=Reason.ID_MISSING)
    positions = [one["position"] for one in desk.listed("--reason", "framing", "--topic", desk.source)]
    assert positions == ["0:0", "0:1", "0:2"]
    assert [
        one["position"] for one in desk.listed("--reason", "framing", "--reason", "id_missing", "--limit", "2")
    ] == [
        "0:3",
        "0:4",
    ]
    assert desk.listed("--topic", "another") == []
    assert desk.listed("--since", "2026-01-01T00:00Z", "--until", "1h") == []
    assert len(desk.listed("--since", "1h")) == 5
    assert desk.listed("--since", "2999-01-01") == []


def test_a_letter_is_shown_whole_and_its_content_only_when_asked_for(desk: Desk) -> None:
    """Without --values the sizes; with it the fields as the source's framing says, or the bytes, after a warning."""
    good = desk.write(WORD.encode(), datum(WORD, f"{WORD}, Styria"), ("trace", WORD.encode()))
    bad = desk.write(b"k", b"\x80")
    desk.dead_letter(good)
    desk.dead_letter(bad, reason=Reason.UNREADABLE)
    plain = desk.run("show", "0:0")
    assert plain.code == 0
    assert WORD not in plain.out + plain.err
    assert f"header trace {len(WORD)} bytes" in plain.out
    assert "Set `unsafe_text: replace` and replay" in plain.out
    told = desk.run("show", "0:0", "0:1", "--values")
    assert told.err == "warning: what follows may be personal data: keep it out of logs and tickets\n"
    assert f"value.city   {WORD}, Styria\n" in told.out
    assert f"key          {WORD}\n" in told.out
    assert "value        0x80\n" in told.out
    missing = desk.run("show", "0:7")
    assert (missing.code, missing.err) == (
        2,
        f"error: no letter at 0:7 of {desk.dead}; `list` shows where they are\n",
    )


def test_letters_of_kafka_connect_are_understood(desk: Desk) -> None:
    """As far as Connect's headers go; its words may hold a value, and its topics are not ours to write to."""
    desk.raw_letter(
        b"k",
        b"v",
        ("__connect.errors.topic", b"orders"),
        ("__connect.errors.partition", b"3"),
        ("__connect.errors.offset", b"77"),
        ("__connect.errors.stage", b"KEY_CONVERTER"),
        ("__connect.errors.exception.class.name", b"org.apache.kafka.connect.errors.DataException"),
        ("__connect.errors.exception.message", WORD.encode()),
    )
    desk.raw_letter(b"k", b"v")
    first, second = desk.listed()
    assert first["reason"] == "org.apache.kafka.connect.errors.DataException"
    assert (first["topic"], first["partition"], first["offset"], first["stage"]) == ("orders", 3, 77, "KEY_CONVERTER")
    assert first["detail"] is None
    assert (second["reason"], second["topic"]) == ("unknown", None)
    assert desk.counts("--yes") == {"replayed": 0, Outcome.FOREIGN: 2}


def test_a_missing_topic_is_one_line(desk: Desk) -> None:
    """Where there is no dead-letter topic each command says so, with exit code 2."""
    desk.settings["dead_letters"]["topic"] = f"{desk.dead}.misspelt"
    desk.config.write_text(json.dumps(desk.settings))
    for arguments in (["list"], ["show", "0:0"], ["replay", "--yes"]):
        ended = desk.run(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == (
            f"error: dead_letters.topic: there is no topic {desk.dead}.misspelt;"
            " correct it, or start the service once\n"
        )


def test_every_letter_is_replayed_once(desk: Desk) -> None:
    """The copy has key, value and headers of the record, in its partition, and says where it is from; never twice."""
    one = desk.write(b"anna", b"a", ("trace", b"1"), partition=1)
    two = desk.write(b"bob", b"b")
    desk.dead_letter(one, two)
    assert desk.counts("--dry-run") == {"replayed": 2}
    assert copies(desk) == []
    assert desk.counts("--yes") == {"replayed": 2}
    copy = desk.committed(desk.source)[-1]
    assert (copy.partition(), copy.key(), copy.value()) == (1, b"anna", b"a")
    assert copy.headers() == [
        ("trace", b"1"),
        ("target-connector.replayed-from", f"{desk.dead}:0:0".encode()),
        ("target-connector.first-offset", b"0"),
    ]
    assert desk.counts("--yes") == {"replayed": 0, Outcome.BEFORE: 2}
    assert len(copies(desk)) == 2
    assert [letter["replayed"] for letter in desk.listed()] == [True, True]
    assert desk.counts("0:1", "--again", "--yes") == {"replayed": 1}
    assert copies(desk) == [(b"bob", b"b"), (b"bob", b"b"), (b"anna", b"a")]


def test_nobody_is_asked_where_nobody_is(desk: Desk) -> None:
    """Without a terminal and --yes the counts are shown and nothing is written."""
    desk.dead_letter(desk.write(b"anna", b"a"))
    ended = desk.run("replay")
    assert ended.code == 2
    assert ended.err == "error: nobody is there to be asked; add --yes, or --dry-run to count only\n"
    assert copies(desk) == []


def test_each_outcome_is_counted(desk: Desk) -> None:
    """What is not replayed says why, before and after; nothing goes over a newer record unless told to."""
    old = desk.write(b"anna", b"old")
    desk.write(b"anna", b"newer")
    twice = desk.write(b"bob", b"b")
    keyless = desk.write(None, b"k")
    tombstone = desk.write(b"carl", None)
    desk.dead_letter(old, twice, twice, keyless)
    desk.dead_letter(Gone(Partition(desk.source, 0), 99), reason=Reason.REFUSED)
    desk.dead_letter(tombstone, reason=Reason.TOMBSTONE)
    desk.raw_letter(b"k", b"v")
    expected = {
        "replayed": 2,
        Outcome.DUPLICATE: 1,
        Outcome.SUPERSEDED: 1,
        Outcome.KEYLESS: 1,
        Outcome.GONE: 1,
        Outcome.FOREIGN: 1,
    }
    assert desk.counts("--dry-run") == expected
    assert desk.counts("--yes") == expected
    assert copies(desk) == [(b"bob", b"b"), (b"carl", None)]
    left = {Outcome.BEFORE: 3, Outcome.GONE: 1, Outcome.FOREIGN: 1}
    assert desk.counts("--yes", "--keyless") == {"replayed": 1, Outcome.SUPERSEDED: 1} | left
    assert desk.counts("--yes", "--even-superseded", "--reason", "unsafe_text") == {
        "replayed": 1,
        Outcome.BEFORE: 3,
    }
    assert copies(desk)[2:] == [(None, b"k"), (b"anna", b"old")]


def test_a_copy_is_as_old_as_its_record(desk: Desk) -> None:
    """An old value that was replayed late supersedes nothing, and if it fails again a newer record still stands."""
    old = desk.write(b"anna", b"old")
    newer = desk.write(b"anna", b"newer")
    desk.dead_letter(old, newer)
    assert desk.counts("0:0", "--even-superseded", "--yes") == {"replayed": 1}
    assert desk.counts("--dry-run") == {"replayed": 1, Outcome.BEFORE: 1}  # `newer`, though the copy stands behind it
    copy = desk.committed(desk.source)[-1]
    desk.dead_letter(copy)
    again = [one["position"] for one in desk.listed() if not one["replayed"]]
    assert desk.counts(*again, "--yes") == {"replayed": 1, Outcome.SUPERSEDED: 1}
    assert copies(desk) == [(b"anna", b"old"), (b"anna", b"newer")]


def test_what_comes_during_the_replay_wins(desk: Desk) -> None:
    """A newer record after the search and before the copy undoes the copy; the others with it are written."""
    desk.dead_letter(desk.write(b"anna", b"old"), desk.write(b"bob", b"b"))
    planned = replaying.plan(place(desk), Filter(), Options())
    desk.write(b"anna", b"newer")
    copier = Copier(desk.properties, desk.dead)
    copier.begin()
    with (
        Ranges(desk.properties, name="a") as ranges,
        Ranges(desk.properties, name="b", committed=False) as meanwhile,
    ):
        found = {position_of(message): message for message in shelf.fetch(ranges, desk.dead, _positions(planned))}
        letters = [Copy(letter, found[letter.position]) for letter in planned.letters]
        assert replaying._write(copier, letters, planned.reached, meanwhile) == 1
    assert copies(desk) == [(b"bob", b"b")]
    assert [letter["replayed"] for letter in desk.listed()] == [False, True]


def _positions(planned: replaying.Plan) -> list[shelf.Position]:
    return [letter.position for letter in planned.letters]


def test_a_second_replay_shuts_the_first_out(desk: Desk) -> None:
    """Of two at once only the later one writes: what the first one had open is undone, and it ends with one line."""
    desk.dead_letter(desk.write(b"anna", b"a"))
    with Ranges(desk.properties, name="a") as ranges:
        [message] = shelf.fetch(ranges, desk.dead, [shelf.Position(0, 0)])
    letter = shelf.parse(message)
    assert isinstance(letter, Letter)
    first = Copier(desk.properties, desk.dead)
    first.begin()
    first.write([Copy(letter, message)])
    assert desk.counts("--yes") == {"replayed": 1}
    with pytest.raises(FatalError, match="another replay of these letters has begun"):
        first.commit()
    assert copies(desk) == [(b"anna", b"a")]


def test_a_crash_in_the_middle_replays_nothing_twice(desk: Desk) -> None:
    """SIGKILL within a transaction of a replay of 1,000 letters, three times, then once more: each exactly once."""
    records = desk.write_all(1_000)
    desk.dead_letter(*records)
    for _ in range(3):
        _kill_within_a_transaction(desk)
    counts = desk.counts("--yes")
    assert counts["replayed"] + counts[Outcome.BEFORE] == 1_000
    assert counts[Outcome.BEFORE] >= 300
    assert Counter(key for key, _ in copies(desk)) == Counter({record.key(): 1 for record in records})
    assert len(desk.committed(desk.source, isolation="read_uncommitted")) > 2_000  # so some had to be undone
    assert all(letter["replayed"] for letter in desk.listed("--limit", "1000"))


def _kill_within_a_transaction(desk: Desk) -> None:
    """Let a replay end one transaction, and kill it when copies of the next one are in the topic."""
    with subprocess.Popen(
        [COMMAND, "dead-letters", "replay", "--yes", "--config", str(desk.config)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment(),
        text=True,
    ) as replay:
        assert replay.stderr is not None
        assert " of " in replay.stderr.readline()
        ended_at = desk.end()
        wait_for(lambda: desk.end() > ended_at + 2, 30, "the next transaction is under way")  # one: the mark of an end
        replay.send_signal(signal.SIGKILL)


def test_letters_go_straight_to_target(desk: Desk) -> None:
    """By today's settings; marked once accepted; what fails again is a new letter, which can be replayed later."""
    desk.settings["sources"][0]["unsafe_text"] = "replace"
    with simulated_target() as target:
        desk.settings["target"]["base_url"] = target.url
        desk.config.write_text(json.dumps(desk.settings))
        mended = desk.write(b"anna", datum("anna", "Graz, Styria"), partition=1)
        old = desk.write(b"bob", datum("bob", "Graz, Styria"))
        newer = desk.write(b"bob", datum("bob", "Linz"))
        bad = desk.write(b"carl", b"\x80")
        desk.dead_letter(mended, mended, old, newer, bad)
        straight = ("--through", "pipeline", "--yes")
        assert desk.counts(*straight) == {"replayed": 3, Outcome.DUPLICATE: 1, Outcome.SUPERSEDED: 1}
        assert target.profiles() == {"anna": {"city": "Graz  Styria"}, "bob": {"city": "Linz"}}
        letters = desk.listed()
        assert [one["replayed"] for one in letters] == [True, True, False, True, True, False]
        again = letters[-1]
        assert (again["reason"], again["offset"], again["partition"]) == ("unreadable", bad.offset(), 0)
        assert desk.counts("--dry-run") == {"replayed": 1, Outcome.BEFORE: 4, Outcome.SUPERSEDED: 1}
        assert copies(desk) == []  # nothing went through the topic


class Nobody(BaseHTTPRequestHandler):
    """Knows no address."""

    def do_POST(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_target_that_needs_a_human_ends_the_replay(desk: Desk) -> None:
    """Where the service would block the command says why, marks nothing, and ends with 1."""
    desk.dead_letter(desk.write(b"anna", datum("anna", "Graz")))
    with ThreadingHTTPServer(("127.0.0.1", 0), Nobody) as nobody:
        Thread(target=nobody.serve_forever, daemon=True).start()
        desk.settings["target"]["base_url"] = f"http://127.0.0.1:{nobody.server_port}"
        desk.config.write_text(json.dumps(desk.settings))
        ended = desk.run("replay", "--through", "pipeline", "--yes")
        nobody.shutdown()
    assert ended.code == 1
    assert "blocked" not in ended.err
    assert "error: Target answers HTTP 404" in ended.err
    assert ended.err.endswith("; 0 letters were replayed before; run it again once that is mended\n")
    assert "unblock" not in ended.err
    assert [one["replayed"] for one in desk.listed()] == [False]
