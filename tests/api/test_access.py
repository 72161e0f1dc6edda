"""Who may ask: this machine alone while the API is open, and never a page of another site."""

import pytest
from fastapi.testclient import TestClient

MAIL = {"to": "ada@example.com", "subject": "Hello", "body": "It works"}
OWN = "http://127.0.0.1:8000"


@pytest.fixture
def ask(make_client):
    """Ask the API as it is reached under an address, with the headers that a browser adds."""

    def send(method="GET", path="/tasks", base_url=OWN, allow_anonymous=False, **headers):
        app = make_client(allow_anonymous=allow_anonymous).app
        client = TestClient(app, base_url=base_url, raise_server_exceptions=False)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.request(method, path, json=MAIL if method == "POST" else None, headers=named)

    return send


def post(ask, **headers):
    return ask("POST", "/tasks/send_email", **headers)


# From where.


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8000", "127.0.0.1", "localhost:8000", "LOCALHOST", "[::1]:8000", "127.1.2.3:80"],
)
def test_an_open_api_answers_to_every_name_of_loopback(ask, host):
    assert ask(host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"),
        *("192.168.1.7:8000", "0.0.0.0:8000", "[2001:db8::1]:8000", "127.0.0.1@evil.example"),
        *("", "[", "[::1", "127.0.0.1 evil.example"),
    ],
)
def test_a_name_that_somebody_pointed_here_is_refused(ask, expect_problem, host):
    problem = expect_problem(ask(host=host), 403, "not-on-loopback")

    assert "TASK_API_ALLOW_ANONYMOUS=true" in problem["detail"]


def test_a_request_that_names_no_host_is_refused(serve):
    served = serve()

    with served.connect() as connection:
        connection.sendall(b"GET /tasks HTTP/1.0\r\n\r\n")
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 403")
    assert b"not as an unnamed host" in answer


def test_a_connection_to_another_address_is_refused_whatever_host_it_names(ask, expect_problem):
    answer = ask(base_url="http://192.168.1.7:8000", host="127.0.0.1")

    expect_problem(answer, 403, "not-on-loopback")


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_what_changes_something_is_refused_there_too(ask, expect_problem, method):
    expect_problem(ask(method, host="evil.example"), 403, "not-on-loopback")


def test_an_api_that_is_to_be_open_to_all_answers_under_every_name(ask):
    answer = ask(base_url="http://192.168.1.7:8000", allow_anonymous=True, host="api.example")

    assert answer.status_code == 200


# From which page.


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none-such", ""])
def test_a_page_of_another_site_may_change_nothing(ask, expect_problem, site):
    expect_problem(post(ask, sec_fetch_site=site), 403, "cross-site-request")


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_a_page_of_ours_and_the_address_bar_may(ask, site):
    assert post(ask, sec_fetch_site=site).status_code == 202


@pytest.mark.parametrize(
    "origin",
    [
        *("http://evil.example", "http://127.0.0.1:9000", "http://localhost:8000", "null", ""),
        *("http://[", "http://127.0.0.1:8000.evil.example", "http://evil@127.0.0.1:8000"),
    ],
)
def test_a_browser_without_fetch_metadata_is_judged_by_its_origin(ask, expect_problem, origin):
    expect_problem(post(ask, origin=origin), 403, "cross-site-request")


def test_our_own_origin_may_change_something(ask):
    assert post(ask, origin=OWN).status_code == 202


def test_fetch_metadata_goes_before_the_origin(ask, expect_problem):
    answer = post(ask, sec_fetch_site="cross-site", origin=OWN)

    expect_problem(answer, 403, "cross-site-request")


def test_a_program_that_is_no_browser_may_change_something(ask):
    assert post(ask).status_code == 202


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_every_method_that_may_change_something_is_judged(ask, expect_problem, method):
    expect_problem(ask(method, origin="http://evil.example"), 403, "cross-site-request")


@pytest.mark.parametrize("headers", [{"sec_fetch_site": "cross-site"}, {"origin": "null"}])
def test_a_link_from_another_site_may_be_followed(ask, headers):
    assert ask(**headers).status_code == 200


def test_a_refused_request_changes_nothing(make_client):
    api = make_client()

    api.post("/tasks/send_email", json=MAIL, headers={"Sec-Fetch-Site": "cross-site"})

    assert api.get("/queues/high").json()["counts"]["queued"] == 0


def test_being_open_to_all_does_not_let_other_sites_in(ask, expect_problem):
    answer = post(ask, allow_anonymous=True, origin="http://evil.example")

    expect_problem(answer, 403, "cross-site-request")


def test_the_docs_assets_and_mounted_parts_are_guarded_as_well(ask, expect_problem):
    for path in ("/docs", "/docs/assets/swagger-ui.css", "/openapi.json", "/nowhere"):
        expect_problem(ask(path=path, host="evil.example"), 403, "not-on-loopback")
