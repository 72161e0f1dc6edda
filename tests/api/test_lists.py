"""The list of jobs over HTTP: filters, pages, and what is refused."""

import pytest
from pydantic import SecretStr

from app.catalogue import Catalogue
from app.tasks import task


@task
def add(a: int, b: int = 1) -> int:
    """Add."""
    return a + b


@task(queue="low")
def greet(name: str) -> str:
    """Greet."""
    return name


@pytest.fixture
def api(make_client, redis_url):
    return make_client(Catalogue([add, greet]), redis_url=SecretStr(redis_url))


def enqueue(api, task="add", query="", **args):
    answer = api.post(f"/tasks/{task}{query}", json=args or {"a": 1})
    assert answer.status_code == 202, answer.text
    return answer.json()


def listed(api, query=""):
    answer = api.get(f"/jobs{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(api, query=""):
    return [job["id"] for job in listed(api, query)["jobs"]]


def test_the_newest_job_stands_first_and_is_as_it_is_alone(api):
    first, second = enqueue(api), enqueue(api, a=2)

    found = listed(api)

    assert [job["id"] for job in found["jobs"]] == [second["id"], first["id"]]
    assert found["jobs"][0] == {**api.get(f"/jobs/{second['id']}").json(), "position": None}
    assert (found["next"], found["links"]) == (None, {"self": "/jobs", "next": None})


def test_a_page_says_where_the_next_one_is_in_body_and_header(api):
    jobs = [enqueue(api)["id"] for _ in range(5)][::-1]

    answer = api.get("/jobs?limit=2")
    page = answer.json()
    assert [job["id"] for job in page["jobs"]] == jobs[:2]
    assert page["links"]["next"] == f"/jobs?limit=2&cursor={page['next']}"
    assert answer.headers["link"] == f'<{page["links"]["next"]}>; rel="next"'
    assert answer.links["next"]["url"] == page["links"]["next"]

    second = api.get(page["links"]["next"])
    assert [job["id"] for job in second.json()["jobs"]] == jobs[2:4]
    last = api.get(second.links["next"]["url"])
    assert [job["id"] for job in last.json()["jobs"]] == jobs[4:]
    assert (last.json()["next"], "link" in last.headers) == (None, False)


def test_filters_are_combined_and_those_that_repeat_are_read_as_documented(api):
    plain = enqueue(api)["id"]
    one = enqueue(api, query="?label=a")["id"]
    both = enqueue(api, "greet", "?label=a&label=b c", name="ada")["id"]
    late = enqueue(api, "greet", "?delay=60&label=b c", name="bob")["id"]

    assert ids(api) == [late, both, one, plain]
    assert ids(api, "?label=a") == [both, one]
    assert ids(api, "?label=a&label=b+c") == [both]
    assert ids(api, "?status=scheduled&status=queued&task=greet") == [late, both]
    assert ids(api, "?status=scheduled") == [late]
    assert ids(api, "?queue=default") == [one, plain]
    assert ids(api, "?queue=low&label=a&task=greet&status=queued") == [both]
    assert ids(api, "?task=none-of-ours") == ids(api, "?queue=nowhere") == []


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("?status=waiting", "status"),
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?limit=many", "limit"),
        ("?queue=", "queue"),
        ("?task=", "task"),
        ("?label=", "label"),
        ("?" + "&".join(f"label={number}" for number in range(11)), "label"),
        ("?state=queued", "state"),
        (f"?cursor={'a' * 401}", "cursor"),
    ],
)
def test_a_query_that_does_not_fit_is_refused_with_its_place(api, expect_problem, query, place):
    problem = expect_problem(api.get(f"/jobs{query}"), 422, "invalid-options")

    assert problem["errors"][0]["loc"][:2] == ["query", place]


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "%00", "a.b", "ä", "A" * 400])
def test_a_cursor_that_is_none_is_refused_by_name(api, expect_problem, cursor):
    expect_problem(api.get("/jobs", params={"cursor": cursor}), 400, "invalid-cursor")


def test_a_cursor_of_another_list_is_refused_by_name(api, expect_problem):
    enqueue(api)
    enqueue(api)
    cursor = listed(api, "?limit=1")["next"]

    assert len(ids(api, f"?cursor={cursor}")) == 1
    problem = expect_problem(api.get(f"/jobs?task=add&cursor={cursor}"), 400, "invalid-cursor")
    assert "filters" in problem["detail"]


def test_a_failed_job_in_a_list_has_its_error_without_the_traceback(api, redis_client):
    job = enqueue(api)["id"]
    redis_client.hset(f"rq:job:{job}", mapping={"data": b"nonsense", "status": "failed"})

    [found] = listed(api)["jobs"]

    assert (found["id"], found["status"], found["error"]["type"]) == (
        job,
        "failed",
        "UnreadableJob",
    )
    assert found["error"]["traceback"] is None


def test_the_list_is_there_on_a_fakeredis_as_well(make_client):
    api = make_client(Catalogue([add, greet]))
    jobs = [enqueue(api, query="?label=x")["id"] for _ in range(3)][::-1]

    assert ids(api) == ids(api, "?task=add") == ids(api, "?label=x&status=queued") == jobs
