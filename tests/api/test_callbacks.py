"""Callbacks over HTTP: what is taken at the door, what is listed, and what is sent again."""

import fakeredis
import pytest
from fastapi.testclient import TestClient

from app.catalogue import Catalogue
from app.errors import DuplicateTask
from app.main import create_app
from app.queue.new_callback import PATH, TASK
from app.settings import Settings
from app.tasks import task

URL = "https://hooks.example/done?x=1"


def post(api: TestClient, **options):
    return api.post("/tasks/process_item", params=options, json={"item_id": 1})


def test_a_job_shows_its_callback(api):
    job = post(api, callback=URL)

    assert job.status_code == 202
    assert job.json()["callback"] == URL
    assert api.get(job.json()["links"]["self"]).json()["callback"] == URL


def test_its_callback_waits_for_it_and_is_listed(api):
    job = post(api, callback=URL).json()

    [callback] = api.get(f"/jobs/{job['id']}/callbacks").json()

    assert callback.pop("id") != job["id"]
    assert callback == {
        "url": URL,
        "status": "deferred",
        "delivered_at": None,
        "next_try_at": None,
        "tries": [],
    }


def test_a_job_without_one_has_an_empty_list(api):
    job = post(api).json()

    answer = api.get(f"/jobs/{job['id']}/callbacks")

    assert (answer.status_code, answer.json()) == (200, [])


def test_one_that_waits_for_its_job_cannot_be_sent(api):
    job = post(api, callback=URL).json()
    [callback] = api.get(f"/jobs/{job['id']}/callbacks").json()

    answer = api.post(f"/jobs/{job['id']}/callbacks/{callback['id']}/send")

    assert answer.status_code == 409
    assert "deferred" in answer.json()["detail"]


def test_a_callback_is_found_under_its_own_job_alone(api):
    one, other = post(api, callback=URL).json(), post(api, callback=URL).json()
    [callback] = api.get(f"/jobs/{one['id']}/callbacks").json()

    answer = api.post(f"/jobs/{other['id']}/callbacks/{callback['id']}/send")

    assert (answer.status_code, answer.json()["title"]) == (404, "Unknown callback")


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [
        ("job", "callbacks", b"\xff a:b {callback}"),
        ("callback", "try:1", b"{}"),
        ("callback", "data", b"x"),
        ("callback", "status", b"\xff"),
    ],
)
def test_what_a_forged_record_says_of_callbacks_is_left_out(make_client, key, field, value):
    server = fakeredis.FakeServer()
    redis = fakeredis.FakeRedis(server=server)
    api = make_client(
        app=create_app(Settings(dashboard=False), client=fakeredis.FakeAsyncRedis(server=server))
    )
    job = post(api, callback=URL).json()
    [callback] = api.get(f"/jobs/{job['id']}/callbacks").json()
    hashes = {"job": job["id"], "callback": callback["id"]}
    value = value.replace(b"{callback}", callback["id"].encode())
    redis.hset(f"rq:job:{hashes[key]}", field, value)

    answer = api.get(f"/jobs/{job['id']}/callbacks")

    assert answer.status_code == 200
    assert [(each["id"], each["tries"]) for each in answer.json()] == [(callback["id"], [])]


@pytest.mark.parametrize("job_id", ["nobody", "a:b"])
def test_a_job_that_never_was_has_none(api, job_id):
    assert api.get(f"/jobs/{job_id}/callbacks").status_code == 404
    assert api.post(f"/jobs/{job_id}/callbacks/x/send").status_code == 404


def test_a_job_that_is_gone_has_none_any_more(api):
    job = post(api, callback=URL).json()
    api.delete(f"/jobs/{job['id']}")

    assert api.get(f"/jobs/{job['id']}/callbacks").status_code == 410


@pytest.mark.parametrize(
    "url", ["", "hooks", "ftp://a.example/", "http://u:p@a.example/", "http://a.example:99999/"]
)
def test_what_is_no_url_is_refused_at_the_door(api, url):
    answer = post(api, callback=url)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", "callback"]
    assert api.get("/jobs").json()["jobs"] == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://localhost/", "http://[::1]/"])
def test_an_address_that_is_an_inner_one_by_name_is_refused_at_the_door(make_client, url):
    refused = post(make_client(), callback=url)

    assert refused.status_code == 422
    assert "TASK_API_CALLBACK_ALLOW_INNER" in refused.json()["errors"][0]["message"]
    assert post(make_client(callback_allow_inner=True), callback=url).status_code == 202


def test_the_task_that_sends_them_is_not_listed_and_cannot_be_posted(api):
    names = [task["name"] for task in api.get("/tasks").json()]

    assert TASK not in names
    assert api.get(f"/tasks/{TASK}").status_code == 404
    assert api.post(f"/tasks/{TASK}", json={}).status_code == 404
    assert not [path for path in api.get("/openapi.json").json()["paths"] if TASK in path]


def test_it_is_in_no_list_of_jobs(api):
    job = post(api, callback=URL).json()

    assert [each["id"] for each in api.get("/jobs").json()["jobs"]] == [job["id"]]


def test_workers_know_the_task_by_the_path_that_jobs_are_written_with(shipped):
    task = shipped.at(PATH)

    assert task is not None
    assert (task.path, task.name) == (PATH, TASK)


def test_its_name_cannot_be_taken(shipped):
    @task(name=TASK)
    def taken() -> None: ...

    with pytest.raises(DuplicateTask, match=r"task-api\.callback"):
        Catalogue([taken], [shipped.at(PATH)])


def test_the_document_tells_what_a_receiver_is_sent(api):
    document = api.get("/openapi.json").json()
    [sent] = document["paths"]["/tasks/process_item"]["post"]["callbacks"].values()

    body = sent["{$request.query.callback}"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/CallbackMessage"}
