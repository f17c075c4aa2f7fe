"""Topics that may not be read stay told while others go on."""

from __future__ import annotations

import pytest

from connector.kafka.denied import Denied

BOTH = {"crm", "pos"}


@pytest.fixture
def denied() -> Denied:
    denied = Denied()
    denied.add("crm", "crm may not be read")
    return denied


def test_a_refusal_outlasts_the_records_of_other_topics(denied: Denied) -> None:
    """One of two topics goes on; the other one is still not read."""
    denied.read({"pos"})
    assert denied.text(BOTH) == "crm may not be read"


def test_a_refusal_ends_with_a_record_of_the_topic(denied: Denied) -> None:
    """What is read may be read."""
    denied.read({"crm"})
    assert denied.text(BOTH) is None


def test_all_refusals_are_told(denied: Denied) -> None:
    """Two topics are two rights to grant."""
    denied.add("pos", "pos may not be read")
    assert denied.text(BOTH) == "crm may not be read; pos may not be read"


def test_a_refusal_ends_with_the_last_partition_of_the_topic(denied: Denied) -> None:
    """What is another replica's is told there; back again, the brokers say whether it may be read now."""
    assert denied.text({"pos"}) is None
    assert denied.text(BOTH) is None
