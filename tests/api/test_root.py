"""The way in: `/`, the page of each problem, and `/docs` without the internet."""

import re

import pytest

from app import __version__, errors
from app.api.root import _kinds
from app.errors import TaskApiError

KINDS = _kinds(TaskApiError)


def test_the_root_says_what_this_is_and_where_its_parts_are(api):
    welcome = api.get("/").json()

    assert (welcome["name"], welcome["version"]) == ("task-api", __version__)
    assert welcome["links"] == {
        "docs": "/docs",
        "openapi": "/openapi.json",
        "tasks": "/tasks",
        "jobs": "/jobs",
        "events": "/events",
        "queues": "/queues",
        "workers": "/workers",
        "health_ready": "/health/ready",
    }


def test_every_link_of_the_root_leads_somewhere(make_client):
    api = make_client(dashboard=True)
    links = api.get("/").json()["links"]
    assert links["dashboard"] == "/dashboard"

    for name, path in links.items():
        if name not in {"dashboard", "events"}:  # which have tests of their own
            assert api.get(path).status_code in {200, 503}, path


# Problems.


def test_every_error_has_a_page_of_its_own():
    declared = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, TaskApiError)
    }

    assert len(declared) > 30
    assert declared - {TaskApiError} <= set(KINDS)
    assert len({kind.slug() for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.slug())
def test_the_type_of_each_error_is_a_page_that_explains_it(api, kind):
    answer = api.get(f"/problems/{kind.slug()}")

    assert answer.status_code == 200
    page = answer.json()
    assert set(page) == {"type", "title", "status", "detail"}
    assert page["type"] == f"/problems/{kind.slug()}"
    assert (page["title"], page["status"]) == (kind.title(), kind.status)
    assert page["detail"] == kind.explanation()
    assert not re.search(r"[!:][a-z]?}", page["detail"])


def test_slugs_and_titles_are_plain_words():
    assert errors.QueueFull.slug() == "queue-full"
    assert errors.QueueFull.title() == "Queue full"
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.slug()) for kind in KINDS)


@pytest.mark.parametrize("slug", ["none", "task-api-error", "Queue-Full", "queue%20full"])
def test_another_problem_is_unknown(api, expect_problem, slug):
    expect_problem(api.get(f"/problems/{slug}"), 404, "unknown-problem", f"/problems/{slug}")


# The page of all operations.


def test_the_docs_need_nothing_from_elsewhere(api):
    page = api.get("/docs")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    linked = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(linked) == 3
    for path in linked:
        assert path.startswith(("/docs/assets/", "/pages/"))
        asset = api.get(path)
        assert asset.status_code == 200
        assert len(asset.content) > 500
    assert re.findall(r"https?:|(?<!:)//\w", page.text) == []
    assert "'/openapi.json'" in page.text


def test_the_style_sheets_load_nothing_from_elsewhere(api):
    ours = api.get("/pages/docs.css").text
    style = api.get("/docs/assets/swagger-ui.css").text

    assert re.findall(r"(?:url\(|@import)[^;]*", ours) == [
        '@import url("../docs/assets/swagger-ui.css")'
    ]
    assert [url for url in re.findall(r"url\(([^)]*)\)", style) if "data:" not in url] == []
    assert "@import" not in style


def test_assets_are_what_a_browser_takes_them_for(api):
    types = {
        name: api.get(f"/docs/assets/{name}").headers["content-type"].partition(";")[0]
        for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
    }

    assert types == {
        "swagger-ui-bundle.js": "text/javascript",
        "swagger-ui.css": "text/css",
        "favicon.png": "image/png",
    }


def test_behind_a_prefix_the_docs_ask_for_their_files_there(make_client):
    page = make_client(root_path="/tasks-api").get("/docs").text

    assert 'src="/tasks-api/docs/assets/swagger-ui-bundle.js"' in page
    assert "'/tasks-api/openapi.json'" in page


def test_head_answers_as_get_does_and_sends_no_body(serve):
    served = serve()
    with served.connect() as connection:
        connection.sendall(served.head("HEAD", "/health/live", Connection="close"))
        received = b"".join(iter(lambda: connection.recv(65_536), b""))

    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"content-type: application/json" in head.lower()
    assert body == b""
