"""The body's type and size."""

import json
import socket
from typing import Any

import pytest

from app.catalogue import Catalogue
from tests.api.bad_input.requests import JSON, send
from tests.api.bad_input.sample_tasks import keep


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "text/json", "json", ""]
)
def test_another_content_type_is_415(api, expect_problem, content_type):
    answer = api.post("/tasks/keep", content=b'{"value":1}', headers={"Content-Type": content_type})

    problem = expect_problem(answer, 415, "unsupported-content-type")
    assert repr(content_type) in problem["detail"]
    assert "application/json" in problem["detail"]


def test_a_missing_content_type_is_415(api, expect_problem):
    request = api.build_request("POST", "/tasks/keep", content=b'{"value":1}')
    assert "content-type" not in request.headers

    expect_problem(api.send(request), 415, "unsupported-content-type")


def test_a_body_may_be_as_large_as_the_limit_and_no_larger(make_client, expect_problem):
    api = make_client(Catalogue([keep]), max_body_bytes=100)
    fits = b'{"value":"' + b"x" * 88 + b'"}'
    assert len(fits) == 100

    assert send(api, fits).status_code == 202
    problem = expect_problem(send(api, fits + b" "), 413, "body-too-large")
    assert "100 bytes" in problem["detail"]
    assert "TASK_API_MAX_BODY_BYTES" in problem["detail"]


def read_answer(connection: socket.socket) -> tuple[bytes, dict[str, Any]]:
    """Read one problem from a connection that may stay open; gives its status line and body."""
    data = b""
    while b"}" not in data:
        received = connection.recv(65_536)
        assert received, data
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], json.loads(body)


def test_a_body_said_to_be_too_large_is_refused_before_it_is_sent(serve):
    served = serve(max_body_bytes=1000)

    with served.connect() as connection:
        connection.sendall(served.head("POST", "/tasks/send_email", Content_Length=1001, **JSON))
        status, problem = read_answer(connection)

    assert status.split()[1] == b"413"
    assert problem["type"] == "/problems/body-too-large"


def test_a_chunked_body_is_refused_as_soon_as_it_is_too_large(serve):
    served = serve(max_body_bytes=1000)
    chunk = b"258\r\n" + b" " * 600 + b"\r\n"

    with served.connect() as connection:
        head = served.head("POST", "/tasks/send_email", Transfer_Encoding="chunked", **JSON)
        connection.sendall(head + chunk)
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)  # 600 bytes are no fault, and the end has not come
        connection.settimeout(5)
        connection.sendall(chunk)  # 1200 bytes are one
        status, problem = read_answer(connection)

    assert status.split()[1] == b"413"
    assert problem["type"] == "/problems/body-too-large"


def test_a_chunked_body_that_fits_is_taken(serve):
    served = serve(Catalogue([keep]))

    with served.connect() as connection:
        head = served.head("POST", "/tasks/keep", Transfer_Encoding="chunked", **JSON)
        connection.sendall(head + b'8\r\n{"value"\r\n3\r\n:1}\r\n0\r\n\r\n')
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 202")
