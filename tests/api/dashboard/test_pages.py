"""The dashboard's pages: where their links lead, and what they let a browser do."""

import asyncio
import re

import pytest
import rq_dashboard.web
from fastapi.testclient import TestClient
from flask import Blueprint
from pydantic import SecretStr

from app.api.dashboard import THREADS, dashboard_app
from app.errors import UnknownDashboard
from app.main import create_app


@pytest.mark.parametrize("page", ["/", "/0/view/queues", "/0/view/jobs", "/0/view/workers"])
def test_every_page_is_served_under_the_mount_with_links_that_stay_there(dashboard, page):
    answer = dashboard.get(page, follow_redirects=False)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    links = re.findall(r'(?:src|href)="(/[^"]*)"', answer.text)
    assert links
    assert all(link.startswith("/dashboard/") for link in links)
    assert 'var url = "/dashboard/"' in answer.text


def test_the_files_that_a_page_names_are_there(dashboard):
    text = dashboard.get("/").text
    names = re.findall(r'(?:src|href)="(/dashboard/static/[^"]*)"', text)

    assert len(names) == 7
    assert {dashboard.client.get(name).status_code for name in names} == {200}


def test_a_page_lets_the_browser_run_its_own_scripts_alone(dashboard):
    first, second = dashboard.get("/"), dashboard.get("/")
    policy = first.headers["content-security-policy"]
    [nonce] = re.findall(r"'nonce-([^']+)'", policy)

    scripts = re.findall(r"<script([^>]*)>", first.text)
    runnable = [script for script in scripts if "text/template" not in script]
    assert len(runnable) == 5
    assert all(f'nonce="{nonce}"' in script for script in runnable)
    assert nonce not in second.text
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'nonce-" in policy
    assert first.headers["x-content-type-options"] == "nosniff"
    assert first.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/static/js/jquery-3.5.1.min.js", "/nowhere", "/1/", "/0/"])
def test_the_orders_to_the_browser_are_in_every_answer(dashboard, path):
    headers = dashboard.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_a_queue_s_name_is_data_in_html_and_in_scripts(dashboard):
    answer = dashboard.get("/0/view/jobs/');alert(1);('<script>/queued/8/asc/1")

    assert answer.status_code == 200
    assert "');alert(1)" not in answer.text
    assert r"\u0027);alert(1);(\u0027\u003cscript\u003e" in answer.text
    assert "('<script>" not in answer.text


def test_the_password_of_redis_is_on_no_page(make_dashboard, redis_client, redis_server):
    url = f"redis://default:s3cret@127.0.0.1:{redis_server.port}/0?client_name=s3cret"
    redis_client.config_set("requirepass", "s3cret")
    try:
        dashboard = make_dashboard(url)
        texts = [dashboard.get(page).text for page in dashboard.pages]
    finally:
        redis_client.config_set("requirepass", "")

    assert all(f"[0] 127.0.0.1:{redis_server.port}/0" in text for text in texts)
    assert not any("s3cret" in text for text in texts)


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("unix:///run/redis.sock?password=s3cret", "/run/redis.sock"),
        ("redis+sentinel://:s3cret@one:1,two:2/tasks/3", "tasks/3"),
        ("rediss://:s3cret@example.org", "example.org:6379/0"),
    ],
)
def test_each_kind_of_address_is_shown_without_its_password(settings, url, label):
    dashboard = dashboard_app(settings.model_copy(update={"redis_url": SecretStr(url)}))
    dashboard.close()

    assert dashboard._wsgi.app.config["RQ_DASHBOARD_REDIS_URL"] == (label,)


@pytest.mark.parametrize(
    "path",
    [
        "/1/view/queues",
        "/1/data/queues.json",
        "/0/data/jobs/default/lost/8/asc/1.json",
        "/0/data/jobs/default/queued/0/asc/1.json",
        "/0/data/jobs/default/queued/201/asc/1.json",
        "/0/data/jobs/default/queued/eight/asc/1.json",
        "/0/data/jobs/default/queued/8/asc/0.json",
        "/0/data/jobs/default/queued/8/asc/99999999999999999999.json",
        "/0/view/jobs/default/queued/8/asc/0",
        "/0/nowhere",
    ],
)
def test_what_there_is_not_is_answered_404(dashboard, path):
    answer = dashboard.get(path)

    assert answer.status_code == 404
    assert f"There is nothing at /dashboard{path}" in answer.text


async def read(dashboard, path, send, query=b""):
    """Send a request as a server does, without a client's good manners."""
    headers = [(b"host", b"127.0.0.1")]
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": headers}
    scope |= {"query_string": query, "http_version": "1.1"}
    await dashboard(scope, asyncio.Event().wait, send)


def test_a_query_that_is_no_text_breaks_nothing(settings):
    dashboard = dashboard_app(settings)
    sent = []

    async def take(message):
        sent.append(message)

    asyncio.run(read(dashboard, "/favicon.ico", take, query=b"\xff"))
    dashboard.close()

    assert sent[0]["status"] == 200


def test_readers_that_take_nothing_hold_no_thread(settings):
    dashboard = dashboard_app(settings)

    async def take_nothing(_):
        await asyncio.Event().wait()

    async def race():
        path = "/static/css/bootstrap.min.css"
        slow = [
            asyncio.create_task(read(dashboard, path, take_nothing)) for _ in range(2 * THREADS)
        ]
        await asyncio.sleep(0.2)
        taken = []

        async def take(message):
            taken.append(message)

        await asyncio.wait_for(read(dashboard, path, take), timeout=5)
        assert taken[0]["status"] == 200
        assert sum(len(message.get("body", b"")) for message in taken) > 100_000
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)

    asyncio.run(race())
    dashboard.close()


@pytest.mark.parametrize("cut_off", [True, False])
def test_it_works_behind_a_proxy_with_a_root_path(settings, redis_url, queue, shipped, cut_off):
    job = queue.enqueue("math.sqrt", 4)
    chosen = settings.model_copy(update={"redis_url": SecretStr(redis_url), "root_path": "/svc"})
    app = create_app(chosen, shipped)
    prefix = "" if cut_off else "/svc"
    with TestClient(app, "http://127.0.0.1") as client:
        page = client.get(f"{prefix}/dashboard/0/view/job/{job.id}")
        files = [
            client.get(prefix + name.removeprefix("/svc")).status_code
            for name in re.findall(r'"(/svc/dashboard/static/[^"]*)"', page.text)
        ]
        data = client.get(f"{prefix}/dashboard/0/data/job/{job.id}.json")
        missing = client.get(f"{prefix}/dashboard/0/data/nothing.json")

    assert page.status_code == data.status_code == 200
    assert files == [200] * 7
    assert 'var url = "/svc/dashboard/"' in page.text
    assert f'<a href="/svc/jobs/{job.id}">' in page.text
    problem = missing.json()
    assert problem["type"] == "/svc/problems/unknown-route"
    assert problem["instance"] == "/svc/dashboard/0/data/nothing.json"


def test_an_rq_dashboard_without_a_name_that_we_replace_stops_the_start(settings, monkeypatch):
    monkeypatch.delattr(rq_dashboard.web, "Job")

    with pytest.raises(UnknownDashboard, match=r"web has no Job.*TASK_API_DASHBOARD=false"):
        dashboard_app(settings)


def test_an_rq_dashboard_without_a_button_that_we_replace_stops_the_start(settings, monkeypatch):
    monkeypatch.setattr(rq_dashboard.web, "blueprint", Blueprint("rq_dashboard", __name__))

    with pytest.raises(UnknownDashboard, match=r"has no rq_dashboard\.delete_job_view"):
        dashboard_app(settings)
