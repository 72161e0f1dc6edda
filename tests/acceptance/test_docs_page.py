"""`/docs` in a real browser: a form for each task, which enqueues a job, with no internet."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from app.local.ports import any_free

ROOT = Path(__file__).parents[2]
PATIENCE = 20  # seconds


@pytest.fixture
def origin(tmp_path, redis_url):
    """The API with the shipped jobs, on a server of its own."""
    port = any_free("127.0.0.1")
    environment = {
        **os.environ,
        "REDIS_URL": redis_url,
        "TASK_API_ACTIVITY_LOG": str(tmp_path / "activity.jsonl"),
    }
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port)]
    server = subprocess.Popen([*command, "--log-level", "warning"], env=environment, cwd=ROOT)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"{address}/health/live", timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield address
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE)


def test_every_task_has_a_form_that_enqueues_a_job_and_nothing_comes_from_elsewhere(
    browser, origin, shipped
):
    browser.get(f"{origin}/docs")
    wait = WebDriverWait(browser, PATIENCE)
    names = {task.name for task in shipped}
    blocks = {name: f"operations-enqueue-enqueue_{name}" for name in names}
    wait.until(lambda _: browser.find_elements(By.ID, blocks["send_email"]))
    assert all(browser.find_elements(By.ID, block) for block in blocks.values())

    form = browser.find_element(By.ID, blocks["send_email"])
    form.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()
    body = wait.until(lambda _: form.find_element(By.CSS_SELECTOR, "textarea.body-param__text"))
    assert '"subject"' in body.get_attribute("value")
    form.find_element(By.CSS_SELECTOR, "button.execute").click()
    status = wait.until(
        lambda _: form.find_element(By.CSS_SELECTOR, ".live-responses-table .response-col_status")
    )
    wait.until(lambda _: "202" in form.find_element(By.CSS_SELECTOR, ".live-responses-table").text)
    assert status is not None

    asked = browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert asked
    assert [url for url in asked if not url.startswith((origin, "data:"))] == []
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
