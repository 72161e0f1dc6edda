"""A job's own page: what stands on it, what it is sent with, and who gets it."""

import html
import json
import re
from html.parser import HTMLParser

import fakeredis
import pytest
from rq.job import Job as RQJob
from rq.results import Result

from app.api.page_values import LONGEST_TEXT
from app.main import create_app
from app.queue.wire import WireSerializer
from tests.api.job_page.greeting import BROWSER, enqueue

FROM_ITS_OWN_FORM = {**BROWSER, "Sec-Fetch-Site": "same-origin"}
ATTACK = (
    """</pre></script><script>alert(1)</script><img src=x onerror=alert(1)>" onclick='x' {{7*7}}"""
)
STATUSES = [
    "scheduled",
    "deferred",
    "queued",
    "started",
    "finished",
    "failed",
    "stopped",
    "canceled",
]


class Elements(HTMLParser):
    """Every element of a page, with its attributes."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def named(self, tag):
        return [attributes for found, attributes in self.found if found == tag]


def end(stored, job, **outcome):
    """Let a job have ended as a worker does."""
    rq_job = RQJob.fetch(job["id"], stored, serializer=WireSerializer)
    kind = Result.Type.SUCCESSFUL if "return_value" in outcome else Result.Type.FAILED
    Result.create(rq_job, kind, ttl=60, **outcome)
    status = "finished" if kind is Result.Type.SUCCESSFUL else "failed"
    stored.hset(f"rq:job:{job['id']}", "status", status)


def page(api, job, **headers):
    answer = api.get(f"/jobs/{job['id']}", headers={**BROWSER, **headers})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


def buttons(text):
    return [form["action"].rpartition("/")[2] for form in Elements(text).named("form")]


# Who gets it.


def test_a_browser_gets_a_page_and_a_program_json_at_the_same_address(api):
    job = enqueue(api)

    assert "<h1" in page(api, job)
    for accept in ("*/*", "application/json", "application/json, text/html"):
        answer = api.get(f"/jobs/{job['id']}", headers={"Accept": accept})
        assert answer.json()["id"] == job["id"]
        assert "Accept" in answer.headers["vary"].split(", ")


def test_a_browser_gets_json_where_the_address_says_so(api):
    job = enqueue(api)

    answer = api.get(f"/jobs/{job['id']}?format=json", headers=BROWSER)

    assert answer.json()["id"] == job["id"]


def test_the_page_may_load_run_and_tell_nothing_but_what_is_ours(api):
    answer = api.get(f"/jobs/{enqueue(api)['id']}", headers=BROWSER)

    policy = dict(part.split(maxsplit=1) for part in answer.headers[
        "content-security-policy"
    ].split("; "))  # fmt: skip
    assert policy == {
        "default-src": "'none'",
        **dict.fromkeys(
            ("script-src", "style-src", "img-src", "connect-src", "form-action"), "'self'"
        ),
        **dict.fromkeys(("frame-ancestors", "base-uri"), "'none'"),
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Accept"
    # With `no-referrer` a browser would send `Origin: null` with our own forms.
    assert answer.headers["referrer-policy"] == "same-origin"


def test_what_the_page_loads_is_there_and_named_by_its_content(api):
    elements = Elements(page(api, enqueue(api)))
    loaded = [each["href"] for each in elements.named("link")]
    loaded += [each["src"] for each in elements.named("script")]

    assert len(loaded) == 4
    for address in loaded:
        answer = api.get(address)
        assert answer.status_code == 200
        assert re.search(r"\?v=[0-9a-f]{12}$", address)
    assert api.get(loaded[-1]).headers["content-type"].startswith("text/javascript")


def test_links_and_forms_lead_through_a_proxy_that_cuts_a_prefix_off(
    make_client, settings, catalogue
):
    chosen = settings.model_copy(update={"root_path": "/jobs-of-mine"})
    api = make_client(app=create_app(chosen, catalogue, fakeredis.FakeAsyncRedis()))
    job = enqueue(api)

    elements = Elements(page(api, job))

    targets = [each["href"] for tag in ("a", "link") for each in elements.named(tag)]
    targets += [each["action"] for each in elements.named("form")]
    targets += [each["src"] for each in elements.named("script")]
    assert targets
    assert all(re.match(r"/jobs-of-mine/(jobs|pages|dashboard)/", target) for target in targets)
    answer = api.post(f"/jobs/{job['id']}/cancel", headers=BROWSER, follow_redirects=False)
    assert answer.headers["location"] == f"/jobs-of-mine/jobs/{job['id']}"


# What stands on it.


def test_the_page_says_what_is_known_of_the_job(api, stored):
    parent = enqueue(api)
    job = enqueue(api, f"?label=blue&label=night&after={parent['id']}&queue=low", name="Ada")
    stored.hset(
        f"rq:job:{job['id']}",
        "progress",
        '{"percent": 37.5, "message": "half & half", "updated_at": "2026-01-01T00:00:00Z"}',
    )

    text = page(api, job)

    assert "greet</h1>" in text
    assert "<title>deferred · greet</title>" in text
    assert f"<code>{job['id']}</code>" in text
    assert "&#34;name&#34;: &#34;Ada&#34;" in text
    assert "<li>blue</li>" in text
    assert "<li>night</li>" in text
    assert f'href="/jobs/{parent["id"]}"' in text
    assert f"It waits for job {parent['id']}, which is queued" in text
    assert Elements(text).named("progress") == [
        {"aria-label": "Progress", "max": "100", "value": "37.5"}
    ]
    assert "37.5 %" in text
    assert "half &amp; half" in text


@pytest.mark.parametrize(("percent", "shown"), [(100 / 3, "33.3 %"), (40, "40 %"), (0.04, "0 %")])
def test_a_person_is_told_no_more_than_tenths_of_a_percent(api, stored, percent, shown):
    job = enqueue(api)
    progress = f'{{"percent": {percent}, "message": null, "updated_at": "2026-01-01T00:00:00Z"}}'
    stored.hset(f"rq:job:{job['id']}", "progress", progress)

    assert f'<span id="percent">{shown}</span>' in page(api, job)


def test_a_finished_job_shows_its_result_and_the_way_to_it(api, stored):
    job = enqueue(api)
    end(stored, job, return_value={"answer": [1, "zwei", None]})

    text = page(api, job)

    assert "&#34;answer&#34;: [\n    1,\n    &#34;zwei&#34;,\n    null\n  ]" in text
    assert f'href="/jobs/{job["id"]}/result"' in text
    assert "http-equiv" not in text


def test_a_failed_job_shows_its_error_and_traceback(api, stored):
    job = enqueue(api)
    end(stored, job, exc_string="Traceback (most recent call last):\n  x\nValueError: no\nway")

    text = page(api, job)

    assert "<strong>ValueError</strong>" in text
    assert ">no\nway</pre>" in text
    assert "Traceback (most recent call last)" in text


def test_the_log_shows_where_an_attempt_begins_and_that_lines_were_dropped(api, stored):
    job = enqueue(api)
    said = [(1, "one"), (1, "two"), (2, "<three>"), (2, "four")]
    for attempt, message in said:
        line = {
            "time": "2026-01-01T12:34:56Z",
            "attempt": attempt,
            "level": "WARNING" if attempt == 1 else None,
            "stream": None if attempt == 1 else "stderr",
            "logger": None,
            "message": message,
        }
        stored.rpush(f"task-api:log:{job['id']}", json.dumps(line))
    stored.hset(f"rq:job:{job['id']}", "log", 7)

    text = page(api, job)

    [log] = re.findall(r'<pre id="lines".*?</pre>', text, re.DOTALL)
    shown = html.unescape(re.sub("<[^>]*>", "", log)).split("\n")
    assert [line for line in shown if line.strip()] == [
        "12:34:56 WARNING one",
        "12:34:56 WARNING two",
        "Attempt 2",
        "12:34:56 stderr <three>",
        "12:34:56 stderr four",
    ]
    assert 'data-next="7"' in log
    assert 'id="dropped">' in text
    assert 'id="dropped" hidden>' in page(api, enqueue(api))


def test_what_is_huge_is_cut_and_linked(api, stored):
    job = enqueue(api, name="n" * 50_000)
    end(stored, job, return_value="r" * 50_000)

    text = page(api, job)

    assert text.count("r" * LONGEST_TEXT) == 1
    assert len(text) < 3 * LONGEST_TEXT
    assert text.count("Cut here.") == 2
    assert f'<a href="/jobs/{job["id"]}?format=json">All of it' in text


def test_nothing_that_a_job_holds_becomes_an_element_or_an_attribute(api, stored):
    job = enqueue(api, "?label=%3Cscript%3Ealert(1)%3C/script%3E%22%20onclick=x", name=ATTACK)
    clean = Elements(page(api, enqueue(api, "?label=blue"))).found
    key = f"rq:job:{job['id']}"
    for field in ("worker_name", "key", "callback"):
        stored.hset(key, field, f"javascript:alert(1){ATTACK}")
    end(
        stored,
        job,
        exc_string=f"Traceback (most recent call last):\n{ATTACK}\nValueError: {ATTACK}",
    )

    text = page(api, job)

    found = Elements(text)
    assert {tag for tag, _ in found.found} <= {tag for tag, _ in clean} | {
        "strong", "details", "summary"
    }  # fmt: skip
    assert [each for each in found.named("script") if "src" not in each] == []
    names = {name for _, attributes in found.found for name in attributes}
    assert not [name for name in names if name.startswith(("on", "style"))]
    assert all(each["href"].startswith("/") for each in found.named("a"))
    assert "{{7*7}}" in text


def test_a_status_of_a_newer_rq_has_a_page_too(api, stored):
    job = enqueue(api)
    stored.hset(f"rq:job:{job['id']}", "status", ATTACK)

    text = page(api, job)

    assert buttons(text) == ["share"]
    assert "alert(1)</script>" not in text


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_has_the_buttons_that_it_allows_and_no_other(api, stored, status):
    job = enqueue(api)
    stored.hset(f"rq:job:{job['id']}", "status", status)

    allowed = set()
    for action in ("cancel", "stop", "retry"):
        probe = enqueue(api)
        stored.hset(f"rq:job:{probe['id']}", mapping={"status": status, "worker_name": "w"})
        problem = api.post(f"/jobs/{probe['id']}/{action}").json()
        detail = problem.get("detail", "")
        if "being taken" in detail or "does not listen" in detail or "detail" not in problem:
            allowed.add(action)  # it is the state around it that refuses here, not its status

    assert {*buttons(page(api, job))} - {"share"} == allowed


@pytest.mark.parametrize("status", STATUSES)
def test_the_page_loads_itself_again_without_script_until_the_job_has_ended(api, stored, status):
    job = enqueue(api)
    stored.hset(f"rq:job:{job['id']}", "status", status)

    text = page(api, job)

    reloads = '<noscript><meta http-equiv="refresh" content="3"></noscript>' in text
    assert reloads == (status in {"scheduled", "deferred", "queued", "started"})


# Its forms.


def test_a_form_leads_back_to_the_page(api):
    job = enqueue(api)

    answer = api.post(
        f"/jobs/{job['id']}/cancel", headers=FROM_ITS_OWN_FORM, follow_redirects=False
    )

    assert (answer.status_code, answer.headers["location"]) == (303, f"/jobs/{job['id']}")
    assert api.get(f"/jobs/{job['id']}").json()["status"] == "canceled"
    assert api.post(f"/jobs/{job['id']}/retry").json()["status"] == "queued"


def test_a_form_that_is_refused_says_why_and_leads_back(api):
    job = enqueue(api)

    answer = api.post(f"/jobs/{job['id']}/retry", headers=FROM_ITS_OWN_FORM)

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "is queued, so it cannot be retried" in answer.text
    assert f'href="/jobs/{job["id"]}"' in answer.text
    assert "http-equiv" not in answer.text


def test_a_form_of_another_site_is_refused_with_a_page(api):
    job = enqueue(api)

    answer = api.post(
        f"/jobs/{job['id']}/cancel", headers={**BROWSER, "Sec-Fetch-Site": "cross-site"}
    )

    assert answer.status_code == 403
    assert "<h1>Cross site request</h1>" in answer.text
    assert api.get(f"/jobs/{job['id']}").json()["status"] == "queued"


# Errors.


def test_a_browser_is_told_of_an_unknown_job_by_a_page_and_a_program_by_json(api, expect_problem):
    answer = api.get("/jobs/<b>none", headers=BROWSER)

    assert answer.status_code == 404
    assert "<h1>Unknown job</h1>" in answer.text
    assert "&lt;b&gt;none" in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    expect_problem(api.get("/jobs/none"), 404, "unknown-job")


def test_a_job_that_is_gone_is_410_for_a_browser_too(api, stored):
    job = enqueue(api)
    stored.delete(f"rq:job:{job['id']}")

    answer = api.get(f"/jobs/{job['id']}", headers=BROWSER)

    assert answer.status_code == 410
    assert "<h1>Job gone</h1>" in answer.text


def test_a_page_that_finds_redis_away_tries_again_by_itself(api, server):
    job = enqueue(api)
    server.connected = False

    answer = api.get(f"/jobs/{job['id']}", headers=BROWSER)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "<h1>Redis unavailable</h1>" in answer.text
    assert '<meta http-equiv="refresh" content="1">' in answer.text


@pytest.mark.parametrize("path", ["/nowhere", "/tasks/none", "/queues/none", "/jobs"])
def test_other_addresses_have_no_pages(api, path):
    answer = api.get(path, headers=BROWSER)

    assert answer.headers["content-type"] in {"application/problem+json", "application/json"}
