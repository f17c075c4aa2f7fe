"""The token's expiry: read from a file, told, warned of."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from connector.errors import SettingError
from connector.target.expiry import LOOK_S, ExpiryFile, watch
from connector.telemetry import Silent

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("content", "expires"),
    [
        pytest.param("2027-02-22T09:00:00Z", datetime(2027, 2, 22, 9, tzinfo=UTC), id="UTC"),
        pytest.param("2027-02-22T10:00:00+01:00\n", datetime(2027, 2, 22, 9, tzinfo=UTC), id="an offset, a line's end"),
        pytest.param("2027-02-22t09:00:00.5z", datetime(2027, 2, 22, 9, 0, 0, 500_000, tzinfo=UTC), id="small letters"),
    ],
)
def test_a_time_of_rfc_3339_is_read(tmp_path: Path, content: str, expires: datetime) -> None:
    """Any form of RFC 3339 is one moment."""
    (tmp_path / "expires").write_text(content)
    assert ExpiryFile(tmp_path / "expires").read() == expires


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="no file"),
        pytest.param(b"", id="an empty file"),
        pytest.param(b"soon", id="a word"),
        pytest.param(b"2027-02-22", id="a day"),
        pytest.param(b"2027-02-22T09:00:00", id="no zone"),
        pytest.param(b"2027-02-30T09:00:00Z", id="no such day"),
        pytest.param(b"2027-02-22T09:00:00Z and more", id="more behind it"),
        pytest.param(b"1803286800", id="seconds since 1970"),
        pytest.param(b"\xff\xfe2027", id="no UTF-8"),
        pytest.param(b"x" * 5_000_000, id="a file of another kind"),
    ],
)
def test_a_file_that_says_no_time_is_refused_at_start(tmp_path: Path, content: bytes | None) -> None:
    """The error names the setting and shows how it is written, and nothing of the file."""
    if content is not None:
        (tmp_path / "expires").write_bytes(content)
    with pytest.raises(SettingError, match=r"^target\.token_expires_file: .*2027-02-22T09:00:00Z"):
        ExpiryFile(tmp_path / "expires")


async def test_a_stamp_that_is_replaced_is_told_within_a_minute(tmp_path: Path) -> None:
    """It is told at once and each minute, as the file has it then; one that can't be read any more is None."""
    file = tmp_path / "expires"
    stamps = ["2027-02-22T09:00:00Z", "2027-05-22T09:00:00Z", ""]
    file.write_text(stamps.pop(0))
    told: list[datetime | None] = []
    now = NOW

    class Told(Silent):
        def token_expires(self, at: datetime | None, now: datetime) -> None:
            told.append(at)

    async def sleep(seconds: float) -> None:
        nonlocal now
        assert seconds == LOOK_S <= 60
        now += timedelta(seconds=seconds)
        if not stamps:
            raise asyncio.CancelledError
        file.write_text(stamps.pop(0))

    with pytest.raises(asyncio.CancelledError):
        await watch(ExpiryFile(file), Told(), now=lambda: now, sleep=sleep)
    assert told == [datetime(2027, 2, 22, 9, tzinfo=UTC), datetime(2027, 5, 22, 9, tzinfo=UTC), None]
