"""What an operator comes to the dashboard for, clicked."""

import os
import signal
from contextlib import contextmanager

import pytest
from rq.job import Job
from selenium.webdriver.support.ui import Select


def test_an_operator_finds_why_a_job_failed_mends_it_and_runs_it_again(page, service, tmp_path):
    missing = tmp_path / "missing.txt"
    job_id = service.run("copy", source=str(missing))

    page.open("/")
    assert page.count_of("failed") == 1
    page.click("tr[data-role=queue] td.failed a[href*='/failed/']")
    assert "copy" in page.find(f"tr[data-job-id='{job_id}']").text
    page.click(".job_id a", job_id)
    assert "FileNotFoundError" in page.find("pre.exc_info").text
    assert "failed" in page.find("#job-data").text
    missing.write_text("it is here now")
    page.click("#requeue-job-btn")

    page.find("#job-data pre", '"it is here now"')
    assert service.job(job_id)["status"] == "finished"
    assert page.console() == []


def test_a_finished_job_s_page_has_its_result_and_leads_to_the_api(page, service):
    job_id = service.run("greet", name="Ada")

    page.open("/0/view/jobs")
    Select(page.find("#select-registry")).select_by_visible_text("finished")
    page.click(".job_id a", job_id)
    page.find("#job-data pre", '"greeting": "Hello Ada"')
    assert page.console() == []
    page.click("h2 a", job_id)

    assert page.browser.current_url == f"{service.url}/jobs/{job_id}"


@pytest.mark.parametrize("path", ["/", "/0/view/jobs", "/0/view/workers", "/0/view/job/{id}"])
def test_each_page_comes_styled_and_the_browser_has_nothing_to_complain_of(
    page, service, eventually, path
):
    page.open(path.format(id=service.run("greet", name="Ada")))
    eventually(lambda: page.script("return !window.jQuery.active"))

    style = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    rules = page.script("return [...document.styleSheets].map(sheet => sheet.cssRules.length)")

    assert page.script(style, "#navbar-dashboard", "display") == "flex"
    assert "Times" not in page.script(style, "body", "fontFamily")
    assert len(rules) == 2
    assert all(rules)
    assert page.console() == []


def test_the_page_of_workers_shows_the_one_that_runs(page):
    page.open("/0/view/workers")

    row = page.find("tr[data-role=worker]")

    assert "high, default, low" in row.text
    assert "idle" in row.text
    assert page.console() == []


def test_the_buttons_of_failed_jobs_do_what_they_say(page, queue, eventually):
    jobs = [queue.enqueue("nowhere.nothing", description=f"job {n}") for n in range(5)]
    eventually(lambda: all(has_failed(job, times=1) for job in jobs))
    page.open_jobs("failed")

    page.click(f"tr[data-job-id='{jobs[0].id}'] [data-role=delete-job-btn]")
    page.confirm()
    eventually(lambda: not Job.exists(jobs[0].id, queue.connection))
    page.click(f"tr[data-job-id='{jobs[1].id}'] [data-role=requeue-job-btn]")
    eventually(lambda: has_failed(jobs[1], times=2))
    page.click("#requeue-all-btn")
    page.confirm()
    eventually(lambda: has_failed(jobs[1], times=3))
    eventually(lambda: all(has_failed(job, times=2) for job in jobs[2:]))
    page.click("#empty-btn")
    page.confirm()
    page.find("#jobs td", "No jobs.")

    assert not any(Job.exists(job.id, queue.connection) for job in jobs)
    assert page.console() == []


def has_failed(job, times):
    return len(job.results()) == times and job.get_status() == "failed"


def test_the_buttons_of_waiting_jobs_do_what_they_say(page, unserved, eventually):
    jobs = [unserved.enqueue("nowhere.nothing") for _ in range(10)]
    unserved.connection.delete(jobs[0].key)

    page.open("/")
    assert page.count_of("queued", "unserved") == 10
    page.open_jobs("queued", "unserved")
    page.click("#compact-btn")
    page.confirm()
    eventually(lambda: unserved.count == 9)
    page.click("a.page-link", "2")
    page.click(".job_id a", jobs[9].id)
    page.click("#delete-job-btn")
    page.confirm()
    eventually(lambda: page.browser.current_url.endswith("/dashboard/0/view/queues"))
    assert page.count_of("queued", "unserved") == 8
    page.open_jobs("queued", "unserved")
    page.click("#empty-btn")
    page.confirm()
    page.find("#jobs td", "No jobs.")

    assert unserved.count == 0
    assert page.console() == []


def test_a_button_that_is_refused_says_why(page, unserved):
    job = unserved.enqueue("nowhere.nothing")
    page.open(f"/0/view/job/{job.id}")
    page.find("#job-data", "queued")
    unserved.connection.hset(job.key, "status", "started")

    page.click("#delete-job-btn")
    page.confirm()

    assert "is started, so it cannot be deleted" in page.find(".alert-danger").text
    assert Job.exists(job.id, unserved.connection)


@contextmanager
def hanging(server):
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_a_page_that_is_open_while_redis_hangs_goes_on_by_itself(page, unserved, redis_server):
    job = unserved.enqueue("nowhere.nothing")
    page.open(f"/0/view/job/{job.id}")
    page.find("#job-data", "queued")

    with hanging(redis_server):
        page.complains_of("503")
    unserved.connection.hset(job.key, "status", "canceled")

    page.find("#job-data", "canceled")


def test_a_page_that_is_opened_while_redis_hangs_says_so_and_comes_by_itself(
    page, unserved, redis_server
):
    unserved.enqueue("nowhere.nothing")

    with hanging(redis_server):
        page.open("/")
        assert "Redis unavailable" in page.find("h1").text

    assert page.count_of("queued", "unserved") == 1
