"""Where a call may go: whatever an answer says, the token reaches Target over TLS, or nobody."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from connector.target.addresses import is_loopback, keeps_secrets, status_address

TARGET = "https://acme.tt.omtrdc.net"
LOCAL = "http://127.0.0.1:8081"
PATH = "/m2/acme/profile/batchStatus?batchId=acme-1701473848678-13029383"


@pytest.mark.parametrize(
    ("url", "base_url", "address"),
    [
        pytest.param(
            f"http://mboxedge45.tt.omtrdc.net{PATH}",
            TARGET,
            f"https://mboxedge45.tt.omtrdc.net{PATH}",
            id="an edge of Target's, raised to https",
        ),
        pytest.param(f"https://mboxedge45.tt.omtrdc.net{PATH}", TARGET, f"https://mboxedge45.tt.omtrdc.net{PATH}"),
        pytest.param(f"http://acme.tt.omtrdc.net{PATH}", TARGET, TARGET + PATH, id="the configured host over http"),
        pytest.param(f"HTTP://MboxEdge45.TT.omtrdc.NET{PATH}", TARGET, f"https://mboxedge45.tt.omtrdc.net{PATH}"),
        pytest.param(f"http://mboxedge45.tt.omtrdc.net:80{PATH}", TARGET, f"https://mboxedge45.tt.omtrdc.net{PATH}"),
        pytest.param(f"https://mboxedge45.tt.omtrdc.net:443{PATH}", TARGET, f"https://mboxedge45.tt.omtrdc.net{PATH}"),
        pytest.param(
            "http://mboxedge31-alb02.tt.omtrdc.net/m2/acme/v2/profile/batchStatus?batchId=acme-1&m2Node=00",
            TARGET,
            "https://mboxedge31-alb02.tt.omtrdc.net/m2/acme/v2/profile/batchStatus?batchId=acme-1&m2Node=00",
            id="path and query as Target wrote them",
        ),
        pytest.param(LOCAL + PATH, LOCAL, LOCAL + PATH, id="a simulated Target on this machine, over http"),
        pytest.param(f"https://127.0.0.1:8081{PATH}", LOCAL, LOCAL + PATH, id="as configured, whatever the scheme"),
        pytest.param(f"http://[::1]:8081{PATH}", "http://[::1]:8081", f"http://[::1]:8081{PATH}"),
        pytest.param(f"http://mboxedge45.tt.omtrdc.net{PATH}", LOCAL, f"https://mboxedge45.tt.omtrdc.net{PATH}"),
        pytest.param(f"http://proxy:8443{PATH}", "https://proxy:8443", f"https://proxy:8443{PATH}"),
    ],
)
def test_targets_own_addresses_are_asked_over_tls(url: str, base_url: str, address: str) -> None:
    """Target's hosts and the configured one are asked, over https unless the configured one is on this machine."""
    assert status_address(url, base_url) == address


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"https://evil.example{PATH}", id="another host"),
        pytest.param(f"https://evil.tt.omtrdc.net.example{PATH}", id="Target's domain inside another"),
        pytest.param(f"https://evil.example/.tt.omtrdc.net{PATH}", id="Target's domain in the path"),
        pytest.param(f"https://evil.example?.tt.omtrdc.net{PATH}", id="Target's domain in the query"),
        pytest.param(f"https://evil.example#.tt.omtrdc.net{PATH}", id="Target's domain in the fragment"),
        pytest.param(f"https://eviltt.omtrdc.net{PATH}", id="no dot before the domain"),
        pytest.param(f"https://tt.omtrdc.net{PATH}", id="the bare domain"),
        pytest.param(f"https://.tt.omtrdc.net{PATH}", id="an empty label"),
        pytest.param(f"https://a..tt.omtrdc.net{PATH}", id="an empty label inside"),
        pytest.param(f"https://-a.tt.omtrdc.net{PATH}", id="a label that begins with a hyphen"),
        pytest.param(f"https://mboxedge45.tt.omtrdc.net.{PATH}", id="a dot at the end"),
        pytest.param(f"https://acme.tt.omtrdc.net@evil.example{PATH}", id="Target as a user name"),
        pytest.param(f"https://user:word@acme.tt.omtrdc.net{PATH}", id="a user name before Target"),
        pytest.param(f"https://evil.example\\@acme.tt.omtrdc.net{PATH}", id="a backslash before an at sign"),
        pytest.param(f"https://evil.example\\.tt.omtrdc.net{PATH}", id="a backslash for a slash"),
        pytest.param(f"https:\\\\acme.tt.omtrdc.net{PATH}", id="backslashes for the slashes"),
        pytest.param(f"https://acme.tt.omtrdc.net:8443{PATH}", id="an odd port of Target"),
        pytest.param(f"https://acme.tt.omtrdc.net:80{PATH}", id="http's port over https"),
        pytest.param(f"https://acme.tt.omtrdc.net:{PATH}", id="a colon without a port"),
        pytest.param(f"https://acme.tt.omtrdc.net:443evil.example{PATH}", id="a port that goes on"),
        pytest.param(f"https://acme.tt.omtrdc.net:000443{PATH}", id="a port of six digits"),
        pytest.param(f"https://127.0.0.1{PATH}", id="this machine"),
        pytest.param(f"http://127.0.0.1:8081{PATH}", id="this machine over http"),
        pytest.param(f"http://localhost{PATH}", id="this machine by name"),
        pytest.param(f"http://[::1]{PATH}", id="this machine in IPv6"),
        pytest.param("http://169.254.169.254/latest/meta-data/", id="a cloud's metadata"),
        pytest.param(f"http://169.254.169.254{PATH}", id="a cloud's metadata below our path"),
        pytest.param(f"http://0x7f000001{PATH}", id="an address in hexadecimal"),
        pytest.param(f"http://2130706433{PATH}", id="an address as one number"),
        pytest.param(f"https://\uff41cme.tt.omtrdc.net{PATH}", id="a full-width letter"),
        pytest.param(f"https://acmé.tt.omtrdc.net{PATH}", id="an international name"),
        pytest.param(f"https://evil。tt.omtrdc.net{PATH}", id="an ideographic full stop"),
        pytest.param(f"https://acme.tt.omtrdc.net%2eexample{PATH}", id="an escape in the host"),
        pytest.param(f"https://acme.tt.omtrdc.net%00.example{PATH}", id="an escaped zero in the host"),
        pytest.param("https://acme.tt.omtrdc.net", id="no path"),
        pytest.param("https://acme.tt.omtrdc.net/rest/v1/profiles/1", id="another path"),
        pytest.param("https://acme.tt.omtrdc.net/M2/acme/profile/batchStatus?batchId=1", id="another path by case"),
        pytest.param("https://acme.tt.omtrdc.net/m2/../rest/v1/profiles/1", id="a way out of the path"),
        pytest.param("https://acme.tt.omtrdc.net/m2/%2e%2e/rest", id="an escaped way out of the path"),
        pytest.param(f"https://acme.tt.omtrdc.net{PATH}#part", id="a fragment"),
        pytest.param(f"ftp://acme.tt.omtrdc.net{PATH}", id="another scheme"),
        pytest.param(f"file://acme.tt.omtrdc.net{PATH}", id="a file"),
        pytest.param(f"javascript:https://acme.tt.omtrdc.net{PATH}", id="a script"),
        pytest.param(f"//acme.tt.omtrdc.net{PATH}", id="no scheme"),
        pytest.param(f" https://acme.tt.omtrdc.net{PATH}", id="a space before"),
        pytest.param(f"https://acme.tt.omtrdc.net{PATH} ", id="a space behind"),
        pytest.param(f"https://acme.tt.omtrdc.net{PATH}\n", id="a line feed behind"),
        pytest.param(f"https://acme.tt.omtrdc.net{PATH}\r\nHost: evil.example", id="a header in the query"),
        pytest.param("https://acme.tt.omtrdc.net/m2/a\tb", id="a tabulator"),
        pytest.param(f"https://acme.tt.omtrdc.net{PATH}\0", id="a zero"),
        pytest.param("", id="nothing"),
    ],
)
def test_any_other_address_is_refused(url: str) -> None:
    """No trick of writing makes another host, port, path or scheme pass for Target."""
    assert status_address(url, TARGET) is None


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"http://127.0.0.1:8082{PATH}", id="another port"),
        pytest.param(f"http://127.0.0.1{PATH}", id="no port"),
        pytest.param(f"http://127.0.0.2:8081{PATH}", id="another address of this machine"),
        pytest.param(f"http://localhost:8081{PATH}", id="another name of it"),
    ],
)
def test_of_this_machine_only_the_configured_address_is_asked(url: str) -> None:
    """A simulated Target on one port gives no leave to ask what else listens on this machine."""
    assert status_address(url, LOCAL) is None


_HOSTS = st.text("acme.tomtrdc.net-@:\\/%[]#?\t。", max_size=40)


@given(st.one_of(st.text(), st.builds("http{}://{}{}".format, st.sampled_from(["", "s"]), _HOSTS, st.just(PATH))))
def test_what_passes_is_target_to_every_parser(url: str) -> None:
    """Whatever passes, Python's own parser and the one of aiohttp read Target's host and https in it."""
    address = status_address(url, TARGET)
    if address is not None:
        for host, scheme in (
            (urlsplit(address).hostname, urlsplit(address).scheme),
            (yarl.URL(address).host, yarl.URL(address).scheme),
        ):
            assert scheme == "https"
            assert host is not None
            assert host.endswith(".tt.omtrdc.net")


@pytest.mark.parametrize(
    ("url", "keeps"),
    [
        ("https://acme.tt.omtrdc.net", True),
        ("http://127.0.0.1:8081", True),
        ("http://[::1]", True),
        ("http://localhost", True),
        ("http://acme.tt.omtrdc.net", False),
        ("http://localhost.example", False),
        ("http://10.0.0.1", False),
        ("ftp://127.0.0.1", False),
    ],
)
def test_a_secret_goes_over_tls_or_stays_on_this_machine(url: str, keeps: bool) -> None:  # noqa: FBT001 (a column)
    """Plain http is for loopback addresses only."""
    assert keeps_secrets(url) is keeps


@pytest.mark.parametrize(("host", "local"), [("127.8.9.1", True), ("::1", True), ("localhost", True), ("local", False)])
def test_this_machine_is_known_by_what_can_mean_nothing_else(host: str, local: bool) -> None:  # noqa: FBT001 (a column)
    """A name that a resolver could send elsewhere is not this machine."""
    assert is_loopback(host) is local
