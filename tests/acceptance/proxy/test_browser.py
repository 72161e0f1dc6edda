"""The service under a path of a proxy, in a real browser: its pages load, follow and act there."""

from urllib.parse import urlsplit

import pytest

from tests.acceptance import served
from tests.acceptance.proxy.reverse import ReverseProxy

PATH = "/tasks-api"
TASKS = '''
"""Tasks of the proxy's acceptance tests."""

import time
from pathlib import Path

from app.context import progress
from app.tasks import task


@task
def climb(gate: Path) -> str:
    """Say how far it is, and wait until a file is there."""
    progress(50, "half way")
    print("at the gate")
    while not gate.exists():
        time.sleep(0.02)
    return "at the top"
'''


class Page(served.Page):
    """What a person does behind the proxy, and sees."""

    def open(self, path):
        super().open(f"{PATH}{path}")

    def has_status(self, status):
        self.find("[role=status]", status)


@pytest.fixture
def gate(tmp_path):
    gate = tmp_path / "gate"
    yield gate
    gate.touch()


@pytest.fixture
def service(tmp_path, redis_url, gate):
    (tmp_path / "shop.py").write_text(TASKS)
    settings = {"TASK_API_TASK_MODULES": "shop", "TASK_API_ROOT_PATH": PATH}
    with served.serving(redis_url, tmp_path, served.Service, **settings) as start:
        yield start()


@pytest.fixture(params=[True, False], ids=["cuts it off", "passes it on"])
def proxy(request, service):
    target = urlsplit(service.url)
    proxy = ReverseProxy((target.hostname, target.port), PATH, cuts=request.param)
    yield proxy
    proxy.close()
    assert proxy.asked_elsewhere == []


@pytest.fixture
def page(browser, proxy):
    page = Page(browser, f"http://127.0.0.1:{proxy.port}")
    yield page
    assert page.console() == []
    browser.get("about:blank")  # and let go of the proxy


def mark(page):
    """Leave something in the page that a reload would take away."""
    page.script("window.isTheSame = true")


def is_the_same(page):
    return page.script("return window.isTheSame === true")


def test_a_job_s_page_follows_by_its_stream_and_its_button_works(page, service, gate):
    job_id = service.enqueue("climb", gate=str(gate))
    page.open(f"/jobs/{job_id}")
    mark(page)
    page.has_status("started")
    page.find("#message", "half way")
    page.find("#lines .line", "at the gate")
    assert page.script("return getComputedStyle(document.querySelector('.card')).borderRadius")

    page.find("button", "Stop").click()

    page.has_status("stopped")
    assert service.job(job_id)["status"] == "stopped"
    page.find("button", "Retry").click()
    page.has_status("started")
    mark(page)
    gate.touch()
    page.has_status("finished")
    page.find("#outcome pre", "at the top")
    assert is_the_same(page)


def test_a_share_link_leads_through_the_proxy_and_its_page_follows(page, service, gate):
    job_id = service.enqueue("climb", gate=str(gate))
    page.open(f"/jobs/{job_id}")
    page.has_status("started")
    page.find("button", "Share").click()
    address = page.find("#address").get_property("value")
    assert address.startswith(f"{page.origin}{PATH}/shared/")

    page.browser.get(address)
    mark(page)
    page.has_status("started")
    gate.touch()

    page.has_status("finished")
    page.find("#outcome pre", "at the top")
    assert is_the_same(page)


def test_the_dashboard_is_read_and_leads_to_the_job_s_page(page, service, gate):
    gate.touch()
    job_id = service.enqueue("climb", gate=str(gate))
    service.wait_for(job_id, "finished")

    page.open("/dashboard")
    page.find("tr[data-role=queue] a[href*='/default/finished/']", "1").click()
    page.find(".job_id a", job_id).click()
    page.find("#job-data pre", "at the top")
    rules = page.script("return [...document.styleSheets].map(sheet => sheet.cssRules.length)")
    assert len(rules) == 2
    assert all(rules)
    page.find("h2 a", job_id).click()

    page.has_status("finished")
    assert page.browser.current_url == f"{page.origin}{PATH}/jobs/{job_id}"


def test_the_forms_of_the_docs_send_their_requests_below_the_path(page, service):
    page.open("/docs")
    page.find("#operations-tasks-list_tasks_tasks_get .opblock-summary-control").click()
    page.find("#operations-tasks-list_tasks_tasks_get button.execute").click()

    answer = page.find(".live-responses-table", "200")
    assert f"{page.origin}{PATH}/tasks" in page.find(".request-url").text
    assert '"climb"' in answer.text
