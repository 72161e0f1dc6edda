"""The application as a whole: its command, its errors, its pages."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.local.ports import any_free

from .conftest import Start
from .processes import HOST, Process

COMMAND = ("-m", "examples")


@pytest.mark.parametrize(
    ("redis_url", "remedy"),
    [
        (f"redis://{HOST}:{any_free(HOST)}", "start `make up`, or set REDIS_URL"),
        ("localhost:6379", "REDIS_URL must start with one of redis://"),
    ],
    ids=["away", "no address"],
)
def test_the_command_ends_with_an_error_that_says_what_to_do_about_redis(
    start: Start, redis_url: str, remedy: str
) -> None:
    process = start(Process, *COMMAND, REDIS_URL=redis_url)

    assert process.wait() == 1
    assert process.log.startswith("error: ")
    assert remedy in process.log
    assert "Traceback" not in process.log


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nothing", 404), ("GET", "/signup", 405)]
)
def test_errors_are_problems_with_the_id_of_the_request(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path, headers={"X-Request-ID": "mine"})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "mine"


def test_a_page_of_another_site_can_not_send_a_mail(client: TestClient, here: Path) -> None:
    answer = client.post(
        "/send-notification/ada@example.com?message=spam", headers={"Sec-Fetch-Site": "cross-site"}
    )

    assert answer.status_code == 403
    assert not (here / ".data/outbox").exists()


def test_the_forms_come_without_the_internet(client: TestClient) -> None:
    page = client.get("/")

    assert page.url.path == "/docs"
    assert "swagger-ui" in page.text
    assert "https://" not in page.text
    assert client.get("/static-offline-docs/swagger-ui-bundle.js").status_code == 200


def test_every_operation_documents_its_own_refusals(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]

    refusals = {
        f"{method.upper()} {path}": {code for code in operation["responses"] if code[0] in "45"}
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    assert refusals == {
        "POST /signup": {"422", "503"},
        "POST /send-notification/{email}": {"422"},
        "POST /items": {"422"},
        "GET /items/{item_id}": {"404", "422"},
        "POST /items/{item_id}/process": {"404", "422"},
        "POST /process": {"413", "422"},
    }
