"""A real service with a worker, and what an operator does with its dashboard in a real browser."""

import time

import pytest
from rq import Queue
from selenium.webdriver.common.by import By

from tests.acceptance import served
from tests.acceptance.served import wait_for

FADE_SECONDS = 0.4  # of a dialogue that comes in

TASKS = '''
"""Tasks of the dashboard's acceptance tests."""

from pathlib import Path

from app.tasks import task


@task
def greet(name: str) -> dict[str, str]:
    """Greet somebody."""
    return {"greeting": f"Hello {name}"}


@task
def copy(source: Path) -> str:
    """Read a file, or fail."""
    return source.read_text()
'''


class Service(served.Service):
    """The service, which runs a job to its end."""

    def run(self, task, **args):
        """Have a job run; gives its id once it has ended."""
        job_id = self.enqueue(task, **args)
        self.wait_for(job_id, "finished", "failed")
        return job_id


class Page(served.Page):
    """What an operator does with the dashboard, and sees."""

    def open(self, path):
        super().open(f"/dashboard{path}")

    def open_jobs(self, registry, queue="default"):
        self.open(f"/0/view/jobs/{queue}/{registry}/8/asc/1")

    def click(self, selector, text=""):
        def click():
            self.find(selector, text).click()
            return True

        wait_for(click)

    def confirm(self):
        """Say yes to the dialogue once it has come in, and wait until it is gone."""
        wait_for(self._has_dialogue)
        time.sleep(FADE_SECONDS)
        self.click("#confirmation-modal-yes")
        wait_for(lambda: not self._has_dialogue())

    def count_of(self, registry, queue="default"):
        """Read a number off the table of queues."""
        row = self.find("tr[data-role=queue]", queue)
        [link] = row.find_elements(By.CSS_SELECTOR, f"a[href*='/{registry}/']")
        return int(link.text)

    def complains_of(self, text):
        return wait_for(lambda: [line for line in self.console() if text in line])

    def _has_dialogue(self):
        dialogue = self.browser.find_element(By.CSS_SELECTOR, "#confirmation-modal")
        return "show" in dialogue.get_attribute("class")


@pytest.fixture
def eventually():
    """Wait until there is something."""
    return wait_for


@pytest.fixture
def service(tmp_path, redis_url):
    """Run the API and a worker on the real Redis, with tasks of their own."""
    (tmp_path / "shop.py").write_text(TASKS)
    with served.serving(redis_url, tmp_path, Service, TASK_API_TASK_MODULES="shop") as start:
        yield start()


@pytest.fixture
def page(browser, service):
    return Page(browser, service.url)


@pytest.fixture
def queue(redis_client):
    """The queue that the worker serves."""
    return Queue("default", connection=redis_client)


@pytest.fixture
def unserved(redis_client):
    """A queue that no worker serves."""
    return Queue("unserved", connection=redis_client)
