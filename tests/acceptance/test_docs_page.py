"""`/docs` in a real browser: a form for each task, which enqueues a job, with no internet."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.acceptance.served import PATIENCE, Service, serving


@pytest.fixture
def origin(tmp_path, redis_url):
    """The API with the shipped jobs, on a server of its own."""
    with serving(redis_url, tmp_path, Service) as start:
        yield start().url


@pytest.fixture
def unfold(browser, origin):
    """Open the form of a task; gives its element."""

    def unfold(task):
        browser.get(f"{origin}/docs")
        wait = WebDriverWait(browser, PATIENCE)
        block = By.ID, f"operations-enqueue-enqueue_{task}"
        form = wait.until(lambda _: browser.find_element(*block))
        form.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()
        wait.until(lambda _: form.find_element(By.CSS_SELECTOR, "textarea.body-param__text"))
        return form

    return unfold


def test_a_task_s_body_stands_above_its_options_and_all_of_it_fits_on_a_screen(unfold):
    form = unfold("send_email")

    def place(selector):
        rect = form.find_element(By.CSS_SELECTOR, selector).rect
        return rect["y"] - form.rect["y"], rect["height"]

    body, _ = place("textarea.body-param__text")
    options, height = place(".parameters-container")
    button, _ = place("button.execute")
    assert body < options < button < 800
    assert len(form.find_elements(By.CSS_SELECTOR, "tr[data-param-name]")) == 16
    last = form.find_elements(By.CSS_SELECTOR, "tr[data-param-name] input")[-1]
    last.send_keys("wait=1")  # the driver scrolls to it, as a person does
    assert options < last.rect["y"] - form.rect["y"] < options + height


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
