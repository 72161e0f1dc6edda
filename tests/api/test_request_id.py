"""Each request's id: the caller's own where it is sane, and the same one everywhere."""

import re

import pytest

MADE = re.compile(r"[0-9a-f]{32}")


@pytest.mark.parametrize("given", ["a", "A-1_b.2", "x" * 128])
def test_a_sane_id_is_taken_over(api, given):
    assert api.get("/", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize(
    "given",
    [b"", b"x" * 129, b"a b", b"a\tb", b"<script>", b"a,b", b"\xe9", b"a/../b", b'"', b"a\x00b"],
)
def test_another_id_is_replaced(api, given):
    answer = api.get("/", headers=[(b"X-Request-ID", given)])

    assert MADE.fullmatch(answer.headers["x-request-id"])


def test_each_request_has_an_id_of_its_own(api):
    ids = [api.get("/").headers["x-request-id"] for _ in range(3)]

    assert len(set(ids)) == 3
    assert all(map(MADE.fullmatch, ids))


def test_of_two_ids_one_is_taken_over(api):
    answer = api.get("/", headers=[(b"X-Request-ID", b"first"), (b"X-Request-ID", b"second")])

    assert answer.headers.get_list("x-request-id") in (["first"], ["second"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/nowhere"), ("PUT", "/"), ("POST", "/tasks/none"), ("GET", "/jobs/1")),
        *(("GET", "/docs/assets/favicon.png"), ("GET", "/docs/assets/none")),
    ],
)
def test_every_answer_carries_the_id(api, method, path):
    answer = api.request(method, path, headers={"X-Request-ID": "mine"})

    assert answer.headers["x-request-id"] == "mine"
    if answer.status_code != 200:
        assert answer.json()["request_id"] == "mine"


def test_a_refused_request_carries_its_id_too(api):
    answer = api.get("/", headers={"X-Request-ID": "mine", "Host": "evil.example"})

    assert (answer.status_code, answer.json()["request_id"]) == (403, "mine")
    assert answer.headers["x-request-id"] == "mine"
