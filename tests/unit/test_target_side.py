"""What talks to Target, put together as the settings say."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from connector.errors import SettingError
from connector.kafka.offsets import Ledger
from connector.service.sections import TargetSettings
from connector.service.target_side import costs, make_target_side
from connector.settling import AtOnce, WhenComplete
from connector.telemetry import Silent

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


@pytest.mark.parametrize(
    ("values", "settling", "follows", "beside"),
    [
        pytest.param({}, AtOnce, True, 1, id="accepted, followed"),
        pytest.param({"follow": False}, AtOnce, False, 0, id="accepted, not followed"),
        pytest.param({"commit_on": "complete"}, WhenComplete, True, 1, id="complete"),
    ],
)
async def test_the_settings_choose_when_offsets_pass(
    values: dict[str, Any],
    settling: type,
    follows: bool,  # noqa: FBT001 (a column)
    beside: int,
) -> None:
    """Following is a part that can be left out; completion needs it."""
    side = make_target_side(TargetSettings(client="acme", **values), Ledger(), Silent())
    await side.close()
    assert isinstance(side.settling, settling)
    assert (side.following is not None, len(side.beside)) == (follows, beside)


async def test_an_expiry_that_is_none_ends_the_start_with_nothing_open(tmp_path: Path) -> None:
    """The line names the setting, and no connection is left behind."""
    (tmp_path / "token").write_text("token")
    (tmp_path / "expires").write_text("soon")
    given = TargetSettings(client="acme", token_file=tmp_path / "token", token_expires_file=tmp_path / "expires")
    with pytest.raises(SettingError, match=r"target\.token_expires_file"):
        make_target_side(given, Ledger(), Silent())
    gc.collect()  # an open session would warn, which fails the test


def test_what_completion_costs_is_said() -> None:
    """Lag, waiting, repetition and calls, with the configured bounds."""
    given = TargetSettings.model_validate(
        {"client": "acme", "commit_on": "complete", "unconfirmed": {"batches": 3, "timeout": "30m"}}
    )
    text = costs(given)
    assert all(word in text for word in ("lag", "3 batches", "sent again", "fifth of the calls"))
    assert "\n" not in text
