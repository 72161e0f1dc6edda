"""A job's page in a real browser: it follows the job by itself, and its buttons work."""

import pytest


def mark(page):
    """Leave something in the page that a reload would take away."""
    page.script("window.isTheSame = true")


def is_the_same(page):
    return page.script("return window.isTheSame === true")


@pytest.mark.parametrize("kind", ["ours", "stock"])
def test_progress_log_and_end_come_without_a_reload(run_service, open_page, kind):
    service = run_service(kind)
    page = open_page(service)
    job_id = service.climb("?label=steep")

    page.open(job_id)
    mark(page)
    page.has_status("started")
    page.find("#percent", "20 %")
    page.find("#message", "step 1 of 4")
    page.find("#lines .line", "WARNING reached gate 1")
    assert page.buttons() == ["Stop", "Share"]
    service.open(1)
    page.find("#message", "step 2 of 4")
    assert page.find("progress").get_property("value") == 40
    page.find("#lines .line", "reached gate 2")
    for gate in (2, 3, 4):
        service.open(gate)

    page.has_status("finished")
    page.find("#outcome pre", '"height": 4')
    page.find("#lines .line", "reached gate 4")
    assert [line.text.rpartition(" ")[2] for line in page.all("#lines .line")] == list("1234")
    assert page.buttons() == ["Share"]
    assert page.browser.title == "finished · climb"
    assert is_the_same(page)
    assert page.console() == []


def test_a_page_that_waits_sees_the_job_begin(page, service, redis_client):
    first, job_id = service.climb(steps=1), service.climb(steps=2)
    service.wait_for(first, "started")
    page.open(job_id)
    mark(page)
    page.has_status("queued")
    assert page.buttons() == ["Cancel", "Share"]

    service.open(1)

    page.has_status("started")
    page.find("#message", "step 2 of 2")
    assert is_the_same(page)


def test_without_the_stream_the_page_follows_by_asking(page, service):
    page.browser.execute_cdp_cmd("Network.enable", {})
    page.browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/events"]})
    try:
        page.open(service.climb(steps=2))
        mark(page)
        page.has_status("started")
        page.find("#message", "step 1 of 2")
        service.open(1)
        page.find("#message", "step 2 of 2")
        service.open(2)
        page.has_status("finished")
        page.find("#outcome pre", '"height": 2')
    finally:
        page.browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
        page.browser.execute_cdp_cmd("Network.disable", {})

    assert is_the_same(page)


def test_a_running_job_is_stopped_and_retried_by_its_buttons(page, service):
    job_id = service.climb()
    page.open(job_id)
    page.has_status("started")

    page.press("Stop")
    page.has_status("stopped")
    assert service.job(job_id)["status"] == "stopped"
    assert page.buttons() == ["Retry", "Share"]
    page.press("Retry")
    page.has_status("started")

    for gate in range(1, 5):
        service.open(gate)
    page.has_status("finished")
    assert page.browser.current_url == f"{service.url}/jobs/{job_id}"


def test_a_job_that_waits_is_canceled_by_its_button(page, service):
    job_id = service.climb("?delay=600")
    page.open(job_id)
    page.has_status("scheduled")

    page.press("Cancel")

    page.has_status("canceled")
    assert service.job(job_id)["status"] == "canceled"


def test_a_button_that_is_refused_says_why_and_leads_back(page, service):
    job_id = service.climb("?delay=600")
    page.open(job_id)
    # Here the page does not hear of it in time.
    page.script(
        "return fetch(arguments[0], {method: 'POST'}).then((answer) => answer.status)",
        f"/jobs/{job_id}/cancel",
    )
    page.script(
        "const form = document.createElement('form'); form.method = 'post';"
        "form.action = arguments[0]; document.body.append(form); form.submit()",
        f"/jobs/{job_id}/cancel",
    )

    page.find("h1", "Wrong status")
    page.find("p", "is canceled, so it cannot be canceled")
    page.find("a", "Back to the job").click()
    page.has_status("canceled")


def test_a_share_link_shows_the_job_live_and_nothing_to_press(page, service):
    job_id = service.climb("?label=secret-label", steps=2)
    page.open(job_id)
    page.has_status("started")
    page.press("Share")
    address = page.find("#address").get_property("value")
    assert page.console() == []

    page.browser.get(address)
    mark(page)
    page.has_status("started")
    page.find("#lines .line", "reached gate 1")
    service.open(1)
    page.find("#message", "step 2 of 2")
    page.find("#lines .line", "reached gate 2")
    service.open(2)
    page.has_status("finished")
    page.find("#outcome pre", '"height": 2')

    assert page.buttons() == []
    shown = page.find("body").text
    assert "secret-label" not in shown
    assert str(service.gates) not in shown
    assert is_the_same(page)
    assert page.console() == []
