"""A parameter that is given more than once: refused by its name, unless it may be."""

import pytest

MAIL = {"to": "ada@example.com", "subject": "Hello", "body": "It works"}


@pytest.mark.parametrize(
    ("address", "query", "names"),
    [
        ("/jobs", "limit=5&limit=6", ["limit"]),
        ("/jobs", "limit=5&limit=5", ["limit"]),
        ("/jobs", "cursor=a&status=queued&cursor=b&status=failed", ["cursor"]),
        ("/jobs", "task=a&queue=low&queue=high&task=b&label=x", ["queue", "task"]),
        ("/jobs", "nonsense=1&nonsense=2", ["nonsense"]),
        ("/events", "task=a&task=b&label=x&label=y", ["task"]),
        ("/events", "last_event_id=1-0&last_event_id=1-1", ["last_event_id"]),
        ("{job}/events", "last_event_id=1-0&last_event_id=1-1", ["last_event_id"]),
        ("{job}/log", "after=1&after=2", ["after"]),
        ("{shared}/events", "last_event_id=1-0&last_event_id=1-1", ["last_event_id"]),
        ("{shared}/log", "after=1&after=2", ["after"]),
        ("POST {job}/share", "ttl=60&ttl=70", ["ttl"]),
        ("POST /tasks/send_email", "delay=1&label=x&delay=2&label=y", ["delay"]),
    ],
)
def test_what_is_given_twice_is_refused_by_its_name(api, expect_problem, address, query, names):
    job = api.post("/tasks/send_email", json=MAIL).json()["links"]["self"]
    shared = api.post(f"{job}/share").headers["location"]
    method, _, path = address.format(job=job, shared=shared).rpartition(" ")

    answer = api.request(method or "GET", f"{path}?{query}")

    problem = expect_problem(answer, 422, "invalid-options")
    assert [(each["loc"], each["type"]) for each in problem["errors"]] == [
        (["query", name], "given_twice") for name in names
    ]


def test_what_may_be_given_again_may(api):
    assert api.get("/jobs?status=queued&status=failed&label=a&label=b").status_code == 200


def test_an_address_without_parameters_takes_no_notice(api):
    assert api.get("/queues?a=1&a=2").status_code == 200
