"""The options of a job over HTTP: what each answers, and how it is refused."""

import pytest

from app.catalogue import Catalogue
from app.tasks import task


@task
def keep(value: int = 1) -> None: ...


@pytest.fixture
def api(make_client):
    return make_client(Catalogue([keep]))


@pytest.fixture
def post(api):
    def post(query="", value=1):
        return api.post(f"/tasks/keep{query}", json={"value": value})

    return post


def listed(api):
    return api.get("/jobs").json()["jobs"]


def test_a_job_says_when_it_expires(post, api):
    job = post("?expires=60").json()

    assert job["expires_at"] > job["created_at"]
    assert api.get(job["links"]["self"]).json()["expires_at"] == job["expires_at"]


def test_a_job_after_others_is_deferred_and_names_them(post, api):
    first, second = (post().json()["id"] for _ in range(2))

    answer = post(f"?after={first}&after={second}&after={first}&after_failure=run")

    job = answer.json()
    assert (answer.status_code, job["status"], job["after"]) == (202, "deferred", [first, second])
    assert (job["enqueued_at"], job["position"]) == (None, None)
    assert api.get(job["links"]["self"]).json()["after"] == [first, second]


def test_a_job_after_a_canceled_one_is_accepted_and_canceled_with_the_reason(post, api):
    parent = post().json()["id"]
    api.post(f"/jobs/{parent}/cancel")

    answer = post(f"?after={parent}")

    job = answer.json()
    assert (answer.status_code, job["status"], job["error"]["type"]) == (
        *(202, "canceled"),
        "JobCanceled",
    )
    assert parent in job["error"]["message"]
    looked_up = api.get(job["links"]["self"]).json()
    assert (looked_up["status"], looked_up["error"]) == ("canceled", job["error"])


def test_parents_that_are_not_there_are_422_and_each_is_named(post, api, expect_problem):
    parent = post().json()["id"]

    problem = expect_problem(post(f"?after={parent}&after=a&after=b"), 422, "unknown-parent")

    assert [error["loc"] for error in problem["errors"]] == [["query", "after"]] * 2
    assert [error["message"].split("'")[1] for error in problem["errors"]] == ["a", "b"]
    assert [job["id"] for job in listed(api)] == [parent]


def test_a_second_job_of_a_key_is_200_with_the_first(post, api):
    first = post("?key=k")

    second = post("?key=k", value=2)

    assert (first.status_code, second.status_code) == (202, 200)
    assert second.json() == {**first.json(), "duplicates": 1}
    assert second.headers["Location"] == first.headers["Location"]
    assert "Retry-After" not in second.headers
    assert len(listed(api)) == 1


def test_a_rejected_one_is_409_and_names_the_first(post, api, expect_problem):
    first = post("?key=k").json()["id"]

    problem = expect_problem(post("?key=k&key_mode=reject"), 409, "duplicate-job")

    assert problem["job"] == first
    assert first in problem["detail"]
    assert len(listed(api)) == 1


def test_a_replaced_one_is_canceled(post, api):
    first = post("?key=k").json()["id"]

    answer = post("?key=k&key_mode=replace", value=2)

    assert (answer.status_code, answer.json()["args"]) == (202, {"value": 2})
    assert api.get(f"/jobs/{first}").json()["status"] == "canceled"


def test_a_debounced_one_is_200_with_the_new_arguments(post, api):
    first = post("?key=k&key_mode=debounce&delay=60")

    second = post("?key=k&key_mode=debounce&delay=90", value=2)

    assert (first.status_code, second.status_code) == (202, 200)
    assert (second.json()["id"], second.json()["args"]) == (first.json()["id"], {"value": 2})
    assert second.json()["run_at"] > first.json()["run_at"]
    assert len(listed(api)) == 1


def test_a_job_goes_to_the_front_and_carries_its_labels(post, api):
    post()

    job = post("?front=true&label=a&label=b").json()

    assert (job["position"], job["labels"]) == (0, ["a", "b"])
    assert [each["id"] for each in api.get("/jobs?label=b").json()["jobs"]] == [job["id"]]


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("?expires=0", ["query", "expires"]),
        ("?expires=-1", ["query", "expires"]),
        ("?expires=nan", ["query", "expires"]),
        ("?expires=inf", ["query", "expires"]),
        ("?expires=315360001", ["query", "expires"]),
        ("?expires=5&delay=5", ["query"]),
        ("?expires=60&run_at=2035-01-01T00:00:00Z", ["query", "expires"]),
        ("?after=", ["query", "after", 0]),
        ("?after=a%20b", ["query", "after", 0]),
        ("?after=a&delay=1", ["query"]),
        ("?after=a&run_at=2035-01-01T00:00:00Z", ["query"]),
        ("?after=a&after_failure=wait", ["query", "after_failure"]),
        ("?after_failure=run", ["query"]),
        ("?key=", ["query", "key"]),
        ("?key=a%0Ab", ["query", "key"]),
        (f"?key={'x' * 201}", ["query", "key"]),
        ("?key=a&key=b", ["query", "key"]),
        ("?key=a&key_mode=last", ["query", "key_mode"]),
        ("?key_mode=replace", ["query"]),
        ("?key=a&key_mode=debounce", ["query"]),
        ("?label=", ["query", "label", 0]),
        (f"?label={'x' * 65}", ["query", "label", 0]),
        ("?" + "&".join(f"label={n}" for n in range(11)), ["query", "label"]),
        ("?" + "&".join(f"after={n}" for n in range(101)), ["query", "after"]),
    ],
)
def test_an_option_that_does_not_fit_is_422(post, api, expect_problem, query, place):
    problem = expect_problem(post(query), 422, "invalid-options")

    assert problem["errors"][0]["loc"] == place
    assert listed(api) == []


def test_the_document_names_the_header_and_every_answer(api):
    operation = api.get("/openapi.json").json()["paths"]["/tasks/keep"]["post"]

    [header] = [each for each in operation["parameters"] if each["name"] == "Idempotency-Key"]
    assert (header["in"], header["required"]) == ("header", False)
    assert header["schema"]["maxLength"] == 255
    answers = operation["responses"]
    assert answers["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Job")
    assert "`invalid-idempotency-key`" in answers["400"]["description"]
    assert "`duplicate-job`, `idempotency-key-in-flight`" in answers["409"]["description"]
    for slug in ("unknown-parent", "idempotency-key-reused"):
        assert f"`{slug}`" in answers["422"]["description"]
