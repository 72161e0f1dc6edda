"""What a caller, or another site, might try on the operator's browser."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rq import Queue, SimpleWorker
from rq.results import Result
from selenium.webdriver.common.by import By

SCRIPT = "document.documentElement.dataset.pwned=1"
ATTACK = (
    f"""<img src=x onerror="{SCRIPT}"></script><script>{SCRIPT}</script>"onclick="{SCRIPT}"x='"""
)

# What each place can hold of it.
AS_NAME_OF_QUEUE = ATTACK.replace("/", "|")
AS_NAME_OF_WORKER = ATTACK.replace(" ", "/")
AS_PATH = ATTACK[:-1]  # a traceback shows the quote at its end with a backslash


def is_pwned(page):
    return bool(page.script("return document.documentElement.dataset.pwned"))


def test_nothing_that_a_caller_sends_runs_as_script(page, queue, service):
    argument = service.run("greet", name=ATTACK)
    message = service.run("copy", source=ATTACK)
    plain = Queue(AS_NAME_OF_QUEUE, connection=queue.connection)
    job = plain.enqueue(ATTACK, ATTACK, description=ATTACK, meta={ATTACK: ATTACK})
    Result.create(job, Result.Type.SUCCESSFUL, ttl=60, return_value={ATTACK: ATTACK})
    worker = SimpleWorker([plain], connection=queue.connection, name=AS_NAME_OF_WORKER)
    worker.register_birth()
    worker.prepare_execution(job)
    queue.connection.sadd(f"rq:job::{job.id}:dependencies", ATTACK)
    look_at = {
        "/": ("#queues", AS_NAME_OF_QUEUE),
        "/0/view/workers": ("#workers", AS_NAME_OF_WORKER),
        "/0/view/jobs/default/finished/8/asc/1": (".job_id", argument),
        "/0/view/jobs/default/failed/8/asc/1": ("pre.exc_info", AS_PATH),
        f"/0/view/job/{argument}": ("#job-data pre", "Hello <img src=x"),
        f"/0/view/job/{message}": ("pre.exc_info", AS_PATH),
        f"/0/view/job/{job.id}": ("#job-data .description-scroll", ATTACK),
    }

    for path, (selector, text) in look_at.items():
        page.open(path)
        page.find(selector, text)
        assert not is_pwned(page), path
        assert page.browser.find_elements(By.CSS_SELECTOR, "img, [onclick]") == [], path
        # Nor has the policy had to stop anything: it is the second line, not the first.
        assert page.console() == [], path


def test_a_queue_s_name_runs_nothing_on_its_own_page(page, redis_client):
    queue = Queue(AS_NAME_OF_QUEUE, connection=redis_client)
    job = queue.enqueue("nowhere.nothing", description=ATTACK)

    page.open("/")
    page.click("tr[data-role=queue] a[href*='img'][href*='/queued/']")
    page.find(".job_id a", job.id)

    assert page.find("#select-queue").get_attribute("value") == queue.name
    assert not is_pwned(page)
    assert page.console() == []


def test_a_script_that_got_into_a_page_all_the_same_does_not_run(page):
    page.open("/")
    page.find("#queues")

    page.script(
        "document.body.insertAdjacentHTML('beforeend', arguments[0]);"
        "$('body').append(arguments[0])",
        ATTACK,
    )
    page.script(
        "const script = document.createElement('script');"
        "script.src = '/dashboard/static/js/underscore-umd-min.js';"
        f"script.onload = () => {SCRIPT};"
        "document.body.append(script)"
    )

    assert page.complains_of("Content Security Policy")
    time.sleep(0.5)  # for what might still run
    assert not is_pwned(page)


@pytest.fixture
def other_site():
    """Serve a page from the origin of another site; gives its address."""
    pages = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(pages.get(self.path, "").encode())

        def log_message(self, *_):
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def publish(html):
            pages["/"] = html
            return f"http://localhost:{server.server_port}/"

        yield publish
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "button",
    ["/job/{id}/delete", "/job/{id}/requeue", "/requeue/default", "/queue/default/failed/empty"],
)
def test_a_page_of_another_site_presses_no_button(page, service, tmp_path, other_site, button):
    job_id = service.run("copy", source=str(tmp_path / "missing"))
    before = service.job(job_id)
    url = f"{service.url}/dashboard{button.format(id=job_id)}"

    page.browser.get(
        other_site(
            f"<img src='{url}'><form method=post action='{url}'></form>"
            "<script>onload = () => document.forms[0].submit()</script>"
        )
    )

    page.find("body", "A page of another site may not change anything here")
    assert service.job(job_id) == before


def test_a_page_of_another_site_cannot_frame_the_dashboard(page, service, other_site):
    page.browser.get(other_site(f"<iframe src='{service.url}/dashboard/'></iframe>"))

    assert page.complains_of("frame-ancestors")
