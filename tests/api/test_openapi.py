"""The OpenAPI document: each task an operation of its own, and every answer declared."""

import enum
import json
from typing import Annotated

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

from app.catalogue import Catalogue
from app.tasks import task

ANSWERS = {"202", "400", "403", "404", "413", "415", "422", "500", "503"}


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Line(BaseModel):
    colour: Colour
    width: int = 1


@task(queue="low")
def draw(
    lines: Annotated[list[Line], Field(min_length=1)],
    title: Annotated[str, Field(max_length=20, examples=["Sunset"], description="Shown above.")],
    json: bool = False,
) -> dict[str, int]:
    """Draw a picture.

    * **Lines** come first.
    """
    return {}


@task
def sweep(hard: bool = False) -> None: ...


@task
def dial(number: Annotated[str, Field(pattern=r"^\+\d+$")]) -> None: ...


@pytest.fixture
def document(make_client):
    return make_client(Catalogue([dial, draw, sweep])).get("/openapi.json").json()


@pytest.fixture
def shipped_document(api: TestClient):
    return api.get("/openapi.json").json()


def operations(document):
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def body_of(document, task):
    content = document["paths"][f"/tasks/{task}"]["post"]["requestBody"]["content"]
    assert list(content) == ["application/json"]
    return content["application/json"]


def resolve(document, schema):
    return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]


def test_each_task_is_an_operation_of_its_own(shipped_document):
    names = {
        *("send_email", "process_image", "call_api", "process_item", "clean_temp_files"),
        "daily_report",
    }

    enqueues = {
        operation["operationId"]: path
        for method, path, operation in operations(shipped_document)
        if method == "post" and path.startswith("/tasks/")
    }

    assert enqueues == {f"enqueue_{name}": f"/tasks/{name}" for name in names}


def test_the_docstring_is_the_operation_s_text(document):
    operation = document["paths"]["/tasks/draw"]["post"]

    assert operation["summary"] == "Draw a picture."
    assert operation["description"] == "Draw a picture.\n\n* **Lines** come first."


def test_a_task_without_a_docstring_has_a_summary(document):
    assert document["paths"]["/tasks/sweep"]["post"]["summary"] == "Enqueue sweep"


def test_the_signature_is_the_body_s_schema(document):
    schema = resolve(document, body_of(document, "draw")["schema"])

    assert list(schema["properties"]) == ["lines", "title", "json"]
    assert schema["required"] == ["lines", "title"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["json"] == {"default": False, "title": "Json", "type": "boolean"}
    assert schema["properties"]["title"]["description"] == "Shown above."
    line = resolve(document, schema["properties"]["lines"]["items"])
    assert resolve(document, line["properties"]["colour"])["enum"] == ["red", "blue"]


def test_the_body_has_an_example_with_what_the_author_gave(document):
    assert body_of(document, "draw")["example"] == {
        "lines": [{"colour": "red"}],
        "title": "Sunset",
    }


def test_an_example_that_would_be_refused_is_not_given(document):
    assert set(body_of(document, "dial")) == {"schema"}


def test_the_document_is_the_same_each_time(api, shipped_document):
    assert api.get("/openapi.json").json() == shipped_document


def test_the_example_of_each_shipped_task_is_accepted(api, shipped_document):
    tasks = [task["name"] for task in api.get("/tasks").json()]
    assert len(tasks) == 6

    for name in tasks:
        answer = api.post(f"/tasks/{name}", json=body_of(shipped_document, name)["example"])
        assert answer.status_code == 202, answer.text


def test_a_body_may_be_left_out_where_no_argument_is_required(api, document):
    assert document["paths"]["/tasks/sweep"]["post"]["requestBody"]["required"] is False
    assert document["paths"]["/tasks/draw"]["post"]["requestBody"]["required"] is True


def test_the_options_are_parameters_with_their_limits(document):
    parameters = {
        parameter["name"]: parameter
        for parameter in document["paths"]["/tasks/draw"]["post"]["parameters"]
        if parameter["in"] == "query"
    }

    assert list(parameters) == [
        *("queue", "delay", "run_at", "front", "timeout", "retries", "result_ttl"),
        *("expires", "after", "after_failure", "key", "key_mode", "callback", "label"),
    ]
    for parameter in parameters.values():
        assert (parameter["in"], parameter["required"]) == ("query", False)
        assert parameter["description"]
        assert "anyOf" not in parameter["schema"]
    assert parameters["queue"]["schema"]["enum"] == ["high", "default", "low"]
    assert parameters["delay"]["schema"]["type"] == "number"
    assert (parameters["delay"]["schema"]["minimum"], parameters["delay"]["schema"]["maximum"]) == (
        0,
        315_360_000,
    )
    assert parameters["run_at"]["schema"]["format"] == "date-time"
    assert parameters["front"]["schema"]["type"] == "boolean"
    assert parameters["retries"]["schema"]["maximum"] == 100


def test_every_answer_to_an_enqueue_is_declared(shipped_document):
    for method, path, operation in operations(shipped_document):
        if method == "post" and path.startswith("/tasks/"):
            responses = operation["responses"]
            assert set(responses) == ANSWERS | {"200", "409", "410"}
            texts = {status: answer["description"] for status, answer in responses.items()}
            assert "`invalid-arguments`, `invalid-options`" in texts["422"]
            assert "`queue-full`, `redis-unavailable`" in texts["503"]
            accepted = responses["202"]["content"]["application/json"]
            assert accepted["schema"] == {"$ref": "#/components/schemas/Job"}


def test_every_refusal_is_declared_as_problem_json_and_names_its_types(shipped_document):
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}

    seen = 0
    for _, path, operation in operations(shipped_document):
        for status, answer in operation["responses"].items():
            if status >= "400" and (path, status) != ("/health/ready", "503"):
                assert answer["content"] == problem, (path, status)
                assert "`" in answer["description"]
                seen += 1
    assert seen > 80


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/", "get", {"200", "403", "500", "503"}),
        ("/tasks", "get", {"200", "403", "500", "503"}),
        ("/tasks/{task}", "get", {"200", "403", "404", "500", "503"}),
        ("/jobs/{job_id}", "delete", {"200", "403", "404", "409", "410", "500", "503"}),
        ("/jobs/{job_id}/result", "get", {"200", "403", "404", "409", "410", "500", "503"}),
        *(
            (
                f"/jobs/{{job_id}}/{action}",
                "post",
                {"200", "403", "404", "409", "410", "500", "503"},
            )
            for action in ("cancel", "stop", "retry")
        ),
        ("/queues/{queue}", "get", {"200", "403", "404", "500", "503"}),
        ("/health/ready", "get", {"200", "403", "500", "503"}),
    ],
)
def test_every_other_operation_declares_its_answers(shipped_document, path, method, statuses):
    assert set(shipped_document["paths"][path][method]["responses"]) == statuses


def test_every_route_has_a_text(shipped_document):
    for method, path, operation in operations(shipped_document):
        assert operation["description"], (method, path)
        assert operation["tags"], (method, path)


def test_no_schema_is_left_over(shipped_document):
    text = json.dumps(shipped_document)

    for name in shipped_document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name
    assert "HTTPValidationError" not in text


def test_a_problem_s_schema_is_what_problems_look_like(api, shipped_document):
    schema = shipped_document["components"]["schemas"]["Problem"]

    problem = api.post("/tasks/send_email", json={}).json()

    assert set(problem) == set(schema["properties"]) - {"job"}
    assert set(schema["required"]) == set(problem) - {"errors"}
    field = resolve(shipped_document, schema["properties"]["errors"]["anyOf"][0]["items"])
    assert set(problem["errors"][0]) == set(field["properties"])
