"""The service under a path of a proxy, which cuts it off or passes it on: all links lead there."""

import json
import re

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Mount

from app.main import create_app
from app.settings import FIRST_SEGMENTS, Settings
from tests.conftest import BASE_URL

ROOT = "/tasks-api"
MAIL = {"to": "ada@example.com", "subject": "Hello", "body": "It works"}
BROWSER = {"Accept": "text/html,*/*;q=0.8"}


class Proxied:
    """A client that asks by the paths of the outer world, and what the proxy makes of them."""

    def __init__(self, client, *, cuts):
        self._client = client
        self._cuts = cuts

    def ask(self, method, path, **options):
        assert path.startswith(f"{ROOT}/"), path
        path = path.removeprefix(ROOT) if self._cuts else path
        return self._client.request(method, path, follow_redirects=False, **options)

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def post(self, path, **options):
        return self.ask("POST", path, **options)


@pytest.fixture(params=[True, False], ids=["cut off", "passed on"])
def outside(request, make_client, redis_url):
    client = make_client(redis_url=SecretStr(redis_url), root_path=ROOT, dashboard=True)
    return Proxied(client, cuts=request.param)


@pytest.fixture
def job(outside):
    answer = outside.post(f"{ROOT}/tasks/send_email", json=MAIL)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == answer.json()["links"]["self"]
    return answer.json()


def test_every_link_of_a_job_leads_there(outside, job):
    assert set(job["links"].values()) == {
        f"{ROOT}/jobs/{job['id']}{place}"
        for place in ("", "/events", "/result", "/log", "/explain", "/callbacks")
    } | {f"{ROOT}/dashboard/0/view/job/{job['id']}"}
    for name, link in job["links"].items():
        if name != "events":  # which does not end
            assert outside.get(link).status_code == (409 if name == "result" else 200), name
    assert outside.get(job["links"]["self"]).json() == job


def test_every_link_of_the_root_leads_there(outside):
    links = outside.get(f"{ROOT}/").json()["links"]

    for name, link in links.items():
        statuses = {"health_ready": 503, "dashboard": 307}
        if name != "events":
            assert outside.get(link).status_code == statuses.get(name, 200), name


def test_the_bare_path_is_the_root(make_client):
    api = make_client(root_path=ROOT)

    assert api.get(ROOT).json() == api.get("/").json()


def test_the_catalogue_says_where_its_tasks_are(outside):
    for task in outside.get(f"{ROOT}/tasks").json():
        assert set(task["links"].values()) == {f"{ROOT}/tasks/{task['name']}"}
        assert outside.get(task["links"]["self"]).json() == task


def test_a_list_leads_on(outside, job):
    other = outside.post(f"{ROOT}/tasks/send_email", json=MAIL).json()
    first = outside.get(f"{ROOT}/jobs?limit=1")
    page = first.json()

    assert page["links"]["self"] == f"{ROOT}/jobs?limit=1"
    assert first.headers["link"] == f'<{page["links"]["next"]}>; rel="next"'
    jobs = page["jobs"] + outside.get(page["links"]["next"]).json()["jobs"]
    assert [each["links"]["self"] for each in jobs] == [
        other["links"]["self"],
        job["links"]["self"],
    ]


def test_a_log_leads_on(outside, job):
    link = outside.get(job["links"]["log"]).headers["link"]

    assert link == f'<{job["links"]["log"]}?after=0>; rel="next"'


def test_a_problem_is_explained_where_its_type_says(outside):
    for path in ("/nothing", "/jobs/nothing", "/tasks/nothing"):
        answer = outside.ask("POST" if "tasks" in path else "GET", f"{ROOT}{path}", json={})
        problem = answer.json()
        assert (answer.status_code, problem["instance"]) == (404, f"{ROOT}{path}")
        explained = outside.get(problem["type"])
        assert explained.status_code == 200
        assert explained.json()["type"] == problem["type"]


def test_a_share_link_leads_there_and_on(outside, job):
    answer = outside.post(f"{job['links']['self']}/share")
    path = answer.headers["location"]

    assert answer.json()["url"] == BASE_URL + path
    shared = outside.get(path).json()
    assert set(shared["links"].values()) == {path, f"{path}/events", f"{path}/log"}
    assert outside.get(shared["links"]["log"]).status_code == 200


def test_what_a_stream_says_of_a_job_has_its_links(outside, job):
    shared = outside.post(f"{job['links']['self']}/share").headers["location"]
    outside.post(f"{job['links']['self']}/cancel")  # its stream ends with it

    for address in (job["links"]["self"], shared):
        [*_, data] = re.findall(
            r"^data: (.*)$", outside.get(f"{address}/events").text, re.MULTILINE
        )
        assert json.loads(data)["links"]["self"] == address


def test_pages_link_load_and_post_there(outside, job):
    shared = outside.post(f"{job['links']['self']}/share", headers=BROWSER)
    address = re.search(r'value="([^"]+)"', shared.text)[1].removeprefix(BASE_URL)
    pages = [
        shared,
        outside.get(job["links"]["self"], headers=BROWSER),
        outside.get(address, headers=BROWSER),
        outside.get(f"{ROOT}/jobs/nothing", headers=BROWSER),
        outside.get(f"{ROOT}/docs"),
        outside.get(f"{ROOT}/dashboard/0/view/jobs"),
    ]

    named = r'(?:href|src|action|data-events|data-log)="(?!#|<|https?:)([^"]*)"'
    for page in pages:
        paths = re.findall(named, page.text)
        assert paths
        for path in paths:
            assert path.startswith(f"{ROOT}/"), path
            if re.search(r"\.(js|css|svg|png)\b", path):
                assert outside.get(path).status_code == 200, path


def test_a_form_of_a_page_leads_back_to_it(outside, job):
    answer = outside.post(f"{job['links']['self']}/cancel", headers=BROWSER)

    assert (answer.status_code, answer.headers["location"]) == (303, job["links"]["self"])


def test_the_openapi_document_names_the_path_as_its_server(outside):
    assert outside.get(f"{ROOT}/openapi.json").json()["servers"] == [{"url": ROOT}]


def test_the_activity_log_has_the_whole_path(outside, job, activity):
    outside.get(job["links"]["self"])

    lines = activity(2)
    assert [line["path"] for line in lines] == [f"{ROOT}/tasks/send_email", job["links"]["self"]]
    assert [line["route"] for line in lines] == ["/tasks/{task}", "/jobs/{job_id}"]


def test_a_path_that_only_begins_alike_is_not_the_root_path(make_client, expect_problem):
    api = make_client(root_path=ROOT)

    answer = api.get(f"{ROOT}-2/tasks")

    assert answer.status_code == 404
    assert answer.json()["instance"] == f"{ROOT}{ROOT}-2/tasks"


# What the server says.


@pytest.mark.parametrize("known", ["", "/other"])
def test_a_server_with_another_root_path_is_told_of_the_setting(settings, shipped, known):
    app = create_app(settings.model_copy(update={"root_path": known}), shipped)
    api = TestClient(app, BASE_URL, root_path=ROOT)  # as `uvicorn --root-path` has it

    for answer in (api.get("/health/live"), api.post("/tasks/send_email", json=MAIL)):
        assert answer.status_code == 500
        assert answer.json()["type"].endswith("/problems/wrong-root-path")
        assert f"TASK_API_ROOT_PATH={ROOT}" in answer.json()["detail"]


@pytest.mark.parametrize("prefix", ["", ROOT])
def test_a_server_with_the_same_root_path_is_as_one_without(settings, shipped, prefix):
    app = create_app(settings.model_copy(update={"root_path": ROOT}), shipped)
    api = TestClient(app, BASE_URL, root_path=ROOT)

    assert api.get(f"{prefix}/tasks/send_email").json()["links"]["self"].startswith(ROOT)


def test_an_application_may_mount_this_one_where_the_setting_says(settings, shipped):
    app = create_app(settings.model_copy(update={"root_path": ROOT}), shipped)
    outer = TestClient(Starlette(routes=[Mount(ROOT, app)]), BASE_URL)

    assert outer.get(f"{ROOT}/").json()["links"]["tasks"] == f"{ROOT}/tasks"
    assert outer.get(f"{ROOT}/nothing").json()["type"] == f"{ROOT}/problems/unknown-route"
    assert f'href="{ROOT}/pages/job.css' in outer.get(f"{ROOT}/jobs/x/y", headers=BROWSER).text


# The setting.


def test_how_our_own_addresses_begin_is_known(settings, shipped):
    app = create_app(settings, shipped)
    mounts = [getattr(route, "path", "/") for route in app.routes]
    paths = [*app.openapi()["paths"], *mounts, app.openapi_url]

    assert {path.split("/")[1] for path in paths} - {""} <= FIRST_SEGMENTS


@pytest.mark.parametrize("path", ["/tasks-api", "/a/b-c/d_e.f~1", "/v1", "/.hidden"])
def test_a_root_path_may_have_segments(monkeypatch, path):
    monkeypatch.setenv("TASK_API_ROOT_PATH", path)

    assert Settings().root_path == path
