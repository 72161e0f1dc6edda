"""The hosts and addresses that may be called."""

import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from jobs.outbound import HostNotAllowedError, InnerAddressError
from tests.jobs.call.service import Service, answer, call
from tests.jobs.conftest import Configure, FakeJob


@pytest.mark.parametrize("hosts", ["", "example.com", "*.example.com", "localhost"])
def test_a_host_that_is_not_allowed_is_not_called(
    service: Service, configure: Configure, job: FakeJob, hosts: str
) -> None:
    configure(CALL_API_HOSTS=hosts)

    with pytest.raises(HostNotAllowedError, match="TASK_API_CALL_API_HOSTS"):
        call("GET", service.url)

    assert service.requests == []
    assert job.given_up


INNER = [
    "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]",
    "169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "224.0.0.1",
    "255.255.255.255", "localhost", "LOCALHOST", "2130706433", "0x7f000001",
    "0177.0.0.1", "127.1", "[fd00::1]", "[fe80::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
]  # fmt: skip


@pytest.mark.parametrize("host", INNER)
def test_an_inner_address_is_refused_however_it_is_written(
    service: Service, configure: Configure, job: FakeJob, host: str
) -> None:
    configure(ALLOW_INNER_ADDRESSES="false")

    with pytest.raises(InnerAddressError, match="TASK_API_ALLOW_INNER_ADDRESSES"):
        call("GET", f"http://{host}:{service.port}/")

    assert service.requests == []
    assert job.given_up


def test_a_redirect_to_an_inner_address_is_not_followed(service: Service) -> None:
    service.answers = [answer(302, Location="http://169.254.169.254/latest/meta-data/")]

    assert call("GET", service.url).status == 302
    assert len(service.requests) == 1


def test_a_proxy_of_the_environment_is_not_used(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    assert call("GET", service.url).status == 200


def test_https_checks_the_certificate_against_the_name_of_the_url(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    service.socket = context.wrap_socket(service.socket, server_side=True)
    url = f"https://localhost:{service.port}/"
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        call("GET", url)

    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert call("GET", url).status == 200
    assert service.requests[0]["headers"]["host"] == f"localhost:{service.port}"
    with pytest.raises(httpx.ConnectError, match=r"127\.0\.0\.1"):  # not in the certificate
        call("GET", url.replace("localhost", "127.0.0.1"))
