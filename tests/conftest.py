"""What every tier of tests shares: the containers, and the rule that CI skips nothing.

The containers start when the first test asks for them and last as long as the run. With TESTS_REQUIRE_ALL set, as in
CI, a test that would be skipped fails instead. (The variable does not begin with CONNECTOR_, since the service refuses
such variables that it does not know.)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.cluster import Cluster
from tests.containers import APP_IMAGE, KAFKA_IMAGE, REGISTRY_IMAGE, Kafka, Registry, missing
from tests.readers import CHOICE, MISSING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


# How long an example takes says nothing on a machine that runs several files at a time.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def _skip_if(why_not: str | None) -> None:
    if why_not is not None:
        pytest.skip(why_not)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """A broker, shared by all tests: take topic and group names of your own."""
    _skip_if(missing(KAFKA_IMAGE))
    with Kafka() as broker:
        yield broker


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """A schema registry, shared by all tests: take subjects of your own."""
    _skip_if(missing(REGISTRY_IMAGE))
    with Registry() as container:
        yield container


@pytest.fixture(scope="session")
def _three_brokers() -> Iterator[Cluster]:
    _skip_if(missing(KAFKA_IMAGE))
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(_three_brokers: Cluster) -> Iterator[Cluster]:
    """Three brokers, shared by all tests that kill some: what a test killed or froze comes back after it."""
    yield _three_brokers
    _three_brokers.heal()


@pytest.fixture(params=["client", "extension"])
def each_reader(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs the test twice: with and without the C extension."""
    before, CHOICE.extension = CHOICE.extension, request.param == "extension"
    if CHOICE.extension:
        _skip_if(MISSING)
    yield
    CHOICE.extension = before


@pytest.fixture(scope="session")
def app_image() -> str:
    """The name of our own image: `docker build --tag target-connector:ci .` makes it."""
    # Never pulled: what a stranger may have published under that name is not ours.
    _skip_if(missing(APP_IMAGE, pull=False))
    return APP_IMAGE


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns a skipped test into a failed one where nothing may be skipped."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Does the same for a whole module that skips itself."""
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    # A test that fails as expected is reported as skipped as well, but it has run.
    if not report.skipped or hasattr(report, "wasxfail") or not os.environ.get("TESTS_REQUIRE_ALL"):
        return
    report.outcome = "failed"
    report.longrepr = f"skipped where nothing may be (TESTS_REQUIRE_ALL): {report.longreprtext}"
