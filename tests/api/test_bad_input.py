"""Each thing that a caller can get wrong: its status, and a problem that says what and where."""

import json
import socket
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, JsonValue, SecretStr

from app.catalogue import Catalogue
from app.errors import MOST_PROBLEMS
from app.tasks import task

JSON = {"Content-Type": "application/json"}


class Point(BaseModel):
    x: float
    y: float = 0


@task
def draw(
    points: list[Point],
    colour: Literal["red", "blue"] = "red",
    width: Annotated[int, Field(ge=1, le=9)] = 1,
) -> None: ...


@task
def measure(length: float) -> None: ...


@task
def keep(value: Any) -> None: ...


@task
def store(value: JsonValue) -> None: ...


@pytest.fixture
def api(make_client):
    return make_client(Catalogue([draw, keep, measure, store]))


def send(api, body, name="keep", query="", **headers):
    content = body if isinstance(body, bytes) else body.encode()
    return api.post(f"/tasks/{name}{query}", content=content, headers=JSON | headers)


def places(problem):
    return [(error["loc"], error["type"]) for error in problem["errors"]]


def test_an_unknown_task_is_404_and_names_the_catalogue(api, expect_problem):
    problem = expect_problem(send(api, "{}", "sned"), 404, "unknown-task")

    assert problem["detail"] == "There is no task named 'sned'; GET /tasks lists them."


# The body as JSON.


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"{", "EOF", id="cut short"),
        pytest.param(b" ", "EOF", id="blank"),
        pytest.param(b"value=1", "expected value", id="a form"),
        pytest.param(b"{'value': 1}", "key must be a string", id="single quotes"),
        pytest.param(b'{"value":1,}', "trailing comma", id="trailing comma"),
        pytest.param(b'{"value":1}{}', "trailing characters", id="two values"),
        pytest.param(b'{"value":01}', "invalid number", id="leading zero"),
        pytest.param(b'\xef\xbb\xbf{"value":1}', "expected value", id="byte order mark"),
        pytest.param('{"value":1}'.encode("utf-16"), "expected value", id="UTF-16"),
        pytest.param(b'{"value":"\xff"}', "unicode", id="no UTF-8"),
        pytest.param(b'{"value":"\xed\xa0\x80"}', "unicode", id="surrogate as UTF-8"),
        pytest.param(b'{"value":"\x00"}', "control character", id="raw null byte"),
        pytest.param(b'{"value":\x00}', "expected value", id="null byte outside a string"),
        pytest.param(rb'{"value":"\ud800"}', "hex escape", id="lone leading surrogate"),
        pytest.param(rb'{"value":"\udc00"}', "surrogate", id="lone trailing surrogate"),
        pytest.param(rb'{"\ud800":1}', "hex escape", id="lone surrogate as a name"),
        pytest.param(b'{"value":' + b"9" * 4301 + b"}", "out of range", id="4301 digits"),
    ],
)
def test_a_body_that_is_no_json_is_400_with_the_place(api, expect_problem, body, reason):
    problem = expect_problem(send(api, body), 400, "malformed-body")

    assert reason in problem["detail"]
    assert "at line 1 column" in problem["detail"]


@pytest.mark.parametrize("name", ["keep", "store"])
@pytest.mark.parametrize(
    "number",
    [
        *("NaN", "Infinity", "-Infinity", "1e999", "-1E+999", "1e0309", '{"a":[1e999]}'),
        pytest.param("1" * 300 + "e99", id="many digits and a small exponent"),
        pytest.param("9" * 309 + ".0", id="many digits"),
    ],
)
def test_a_number_that_json_or_a_double_does_not_have_is_400_even_where_anything_fits(
    api, expect_problem, name, number
):
    expect_problem(send(api, f'{{"value":{number}}}', name), 400, "malformed-body")


@pytest.mark.parametrize("number", ['"NaN"', '"Infinity"', '"1e999"', "9" * 400])
def test_a_field_for_a_number_takes_finite_ones_only(api, expect_problem, number):
    problem = expect_problem(
        send(api, f'{{"length":{number}}}', "measure"), 422, "invalid-arguments"
    )

    assert places(problem) == [(["body", "length"], "finite_number")]


@pytest.mark.parametrize("number", ['"NaN"', r'"\u006ean"', '"1e999"', "9" * 400])
def test_a_model_of_the_user_s_own_takes_no_infinity_either(api, expect_problem, number):
    answer = send(api, f'{{"points":[{{"x":{number}}}]}}', "draw")

    problem = expect_problem(answer, 422, "invalid-arguments")
    assert places(problem) == [(["body", "points"], "not_json")]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("NaN Infinity 1e999 ∞", id="their names in a string"),
        pytest.param("a\x00b", id="escaped null byte"),
        pytest.param("\U0001f600", id="beyond the basic plane"),
        pytest.param(10**4299, id="4300 digits"),
        pytest.param(1.7e308, id="largest double"),
        pytest.param(5e-324, id="smallest double"),
        pytest.param({"": [None, True, {}]}, id="nested"),
    ],
)
@pytest.mark.parametrize("name", ["keep", "store"])
def test_whatever_json_can_say_is_kept_as_it_is(api, name, value):
    answer = send(api, json.dumps({"value": value}), name)

    assert answer.status_code == 202
    assert answer.json()["args"] == {"value": value}
    assert api.get(answer.headers["location"]).json()["args"] == {"value": value}


def test_a_surrogate_pair_is_one_character(api):
    answer = send(api, rb'{"value":"\ud83d\ude00"}')

    assert answer.json()["args"] == {"value": "\U0001f600"}


def test_of_a_name_given_twice_the_last_one_counts(api):
    assert send(api, '{"value":1,"value":2}').json()["args"] == {"value": 2}


@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")], ids=["arrays", "objects"])
@pytest.mark.parametrize("depth", [201, 100_000])
def test_a_body_that_is_too_deep_is_400(api, expect_problem, brackets, depth):
    opening, closing = brackets

    answer = send(api, '{"value":' + opening * depth + "1" + closing * depth + "}")

    assert "recursion limit" in expect_problem(answer, 400, "malformed-body")["detail"]


def test_the_deepest_body_that_is_taken_can_be_read_again(api):
    answer = send(api, '{"value":' + "[" * 199 + "]" * 199 + "}")

    assert answer.status_code == 202
    assert api.get(answer.headers["location"]).json()["args"] == answer.json()["args"]


@pytest.mark.parametrize("body", ["[]", "null", "1", '"value"', "true"])
def test_a_body_that_is_no_object_is_422(api, expect_problem, body):
    problem = expect_problem(send(api, body), 422, "invalid-arguments")

    assert places(problem) == [(["body"], "model_type")]


# The body's fields.


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({}, [(["points"], "missing")], id="missing"),
        pytest.param({"points": [{}]}, [(["points", 0, "x"], "missing")], id="missing within"),
        pytest.param({"points": 1}, [(["points"], "list_type")], id="ill-typed"),
        pytest.param(
            {"points": [{"x": 1}, {"x": "far"}]},
            [(["points", 1, "x"], "float_parsing")],
            id="ill-typed within",
        ),
        pytest.param(
            {"points": [], "colour": "green"}, [(["colour"], "literal_error")], id="not a choice"
        ),
        pytest.param({"points": [], "width": 10}, [(["width"], "less_than_equal")], id="over"),
        pytest.param({"points": [], "width": 1.5}, [(["width"], "int_from_float")], id="fraction"),
        pytest.param({"points": [], "width": None}, [(["width"], "int_type")], id="null"),
        pytest.param({"points": [], "size": 1}, [(["size"], "extra_forbidden")], id="unknown"),
        pytest.param({"points": [], "p0": 1}, [(["p0"], "extra_forbidden")], id="inner name"),
        pytest.param(
            {"points": [{"x": []}], "colour": 3, "size": 1},
            [
                (["points", 0, "x"], "float_type"),
                (["colour"], "literal_error"),
                (["size"], "extra_forbidden"),
            ],
            id="several at once",
        ),
    ],
)
def test_fields_that_do_not_fit_are_422_each_with_its_place(api, expect_problem, body, expected):
    problem = expect_problem(send(api, json.dumps(body), "draw"), 422, "invalid-arguments")

    assert places(problem) == [(["body", *loc], kind) for loc, kind in expected]
    assert "'draw'" in problem["detail"]


def test_what_was_sent_is_not_sent_back_in_an_error(api):
    answer = send(api, '{"points": "my secret"}', "draw")

    assert answer.status_code == 422
    assert "my secret" not in answer.text


def test_an_answer_lists_no_more_errors_than_anyone_reads(api, expect_problem):
    answer = send(api, json.dumps({"points": [1] * 5000}), "draw")

    problem = expect_problem(answer, 422, "invalid-arguments")
    assert len(problem["errors"]) == MOST_PROBLEMS
    assert len(answer.content) < 50_000


# The body's type and size.


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


# The options.

NOW = datetime.now(UTC)
TOO_FAR = (NOW + timedelta(days=3655)).strftime("%Y-%m-%dT00:00:00Z")


@pytest.mark.parametrize(
    ("query", "option", "kind"),
    [
        ("queue=express", "queue", "unknown_queue"),
        ("queue=", "queue", "string_too_short"),
        ("queue=%00", "queue", "unknown_queue"),
        ("delay=-1", "delay", "greater_than_equal"),
        ("delay=-0.001", "delay", "greater_than_equal"),
        ("delay=nan", "delay", "finite_number"),
        ("delay=inf", "delay", "finite_number"),
        ("delay=1e999", "delay", "finite_number"),
        ("delay=315360000.1", "delay", "less_than_equal"),
        ("delay=soon", "delay", "float_parsing"),
        ("delay=", "delay", "float_parsing"),
        ("run_at=2030-01-01T00:00:00", "run_at", "timezone_aware"),
        ("run_at=2030-01-01", "run_at", "timezone_aware"),
        (f"run_at={TOO_FAR}", "run_at", "value_error"),
        ("run_at=9999-12-31T23:59:59-12:00", "run_at", "value_error"),
        ("run_at=0001-01-01T00:00:00%2B14:00", "run_at", "value_error"),
        ("run_at=2030-01-01T00:00:00+02:00", "run_at", "datetime_from_date_parsing"),
        ("run_at=tomorrow", "run_at", "datetime_from_date_parsing"),
        ("run_at=2030-02-30T00:00:00Z", "run_at", "datetime_from_date_parsing"),
        ("run_at=60", "run_at", "value_error"),
        ("run_at=1893456000.5", "run_at", "value_error"),
        ("run_at=", "run_at", "datetime_from_date_parsing"),
        ("front=perhaps", "front", "bool_parsing"),
        ("timeout=0", "timeout", "greater_than_equal"),
        ("timeout=604801", "timeout", "less_than_equal"),
        ("timeout=1.5", "timeout", "int_parsing"),
        ("retries=-1", "retries", "greater_than_equal"),
        ("retries=101", "retries", "less_than_equal"),
        ("retries=" + "9" * 5000, "retries", "int_parsing_size"),
        ("result_ttl=-1", "result_ttl", "greater_than_equal"),
        ("result_ttl=315360001", "result_ttl", "less_than_equal"),
        ("delay=1&delay=2", "delay", "given_twice"),
        ("front=true&front=true", "front", "given_twice"),
        ("ttl=60", "ttl", "extra_forbidden"),
        ("Delay=1", "Delay", "extra_forbidden"),
        ("value=1", "value", "extra_forbidden"),
        ("%FF=1", "\ufffd", "extra_forbidden"),
        ("delay", "delay", "float_parsing"),
    ],
)
def test_an_option_that_does_not_fit_is_422_with_its_name(api, expect_problem, query, option, kind):
    answer = send(api, '{"value":1}', query=f"?{query}")

    problem = expect_problem(answer, 422, "invalid-options")
    assert places(problem) == [(["query", option], kind)]


def test_the_refusal_of_a_queue_names_those_that_there_are(api, expect_problem):
    answer = send(api, '{"value":1}', query="?queue=express")

    [error] = expect_problem(answer, 422, "invalid-options")["errors"]
    assert error["message"] == "'express' is no queue of this service; it has high, default, low"


def test_a_delay_and_a_time_together_are_422(api, expect_problem):
    answer = send(api, '{"value":1}', query="?delay=1&run_at=2030-01-01T00:00:00Z")

    problem = expect_problem(answer, 422, "invalid-options")
    assert places(problem) == [(["query"], "value_error")]
    assert "not both" in problem["errors"][0]["message"]


def test_every_option_that_does_not_fit_is_named(api, expect_problem):
    answer = send(api, '{"value":1}', query="?delay=-1&retries=x&colour=red")

    problem = expect_problem(answer, 422, "invalid-options")
    assert [error["loc"][1] for error in problem["errors"]] == ["delay", "retries", "colour"]


def test_nothing_that_was_refused_is_enqueued(make_client, redis_url, redis_client):
    api = make_client(Catalogue([keep]), redis_url=SecretStr(redis_url), max_body_bytes=50)

    answers = [
        send(api, "{"),
        send(api, "[]"),
        send(api, "{}"),
        send(api, '{"value":1e999}'),
        send(api, '{"value":1}', query="?queue=express"),
        send(api, '{"value":1}', query="?delay=-1"),
        send(api, b" " * 51),
        send(api, '{"value":1}', **{"Content-Type": "text/plain"}),
        send(api, '{"value":1}', "sned"),
    ]

    assert [answer.status_code for answer in answers] == [
        *(400, 422, 422, 400, 422, 422, 413, 415, 404)
    ]
    assert redis_client.keys() == []


# The method and the path.


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/tasks/keep", "GET, HEAD, POST"),
        ("POST", "/tasks", "GET, HEAD"),
        ("PUT", "/jobs/1", "GET, HEAD, DELETE"),
        ("GET", "/jobs/1/cancel", "POST"),
        ("DELETE", "/queues/high", "GET, HEAD"),
        ("POST", "/health/live", "GET, HEAD"),
        ("OPTIONS", "/workers", "GET, HEAD"),
        ("BREW", "/", "GET, HEAD"),
        ("POST", "/docs/assets/swagger-ui.css", "GET, HEAD"),
    ],
)
def test_another_method_is_405_and_names_all_that_there_are(
    api, expect_problem, method, path, allowed
):
    answer = api.request(method, path)

    problem = expect_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == allowed
    assert f"{path} does not answer {method}" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "instance"),
    [
        ("/nowhere", "/nowhere"),
        ("/jobs/1/2", "/jobs/1/2"),
        ("/a%20b%3Fc%E2%82%AC", "/a%20b%3Fc%E2%82%AC"),
        ("/docs/assets/nothing.js", "/docs/assets/nothing.js"),
        ("/docs/assets/..%2F..%2F__init__.py", "/docs/assets/../../__init__.py"),
    ],
)
def test_what_is_nowhere_is_404_and_names_the_way_in(api, expect_problem, path, instance):
    problem = expect_problem(api.get(path), 404, "unknown-route", instance)

    assert "GET / lists the routes" in problem["detail"]
