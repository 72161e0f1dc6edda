"""What a caller might try on the browser of whoever looks at its job."""

from urllib.parse import quote

import httpx

SCRIPT = "document.documentElement.dataset.pwned=1"
ATTACK = (
    f"""</pre></script><script>{SCRIPT}</script><img src=x onerror="{SCRIPT}">"""
    f"""<a href="javascript:{SCRIPT}">x</a>"onclick="{SCRIPT}"x='{{{{7*7}}}}`<b>`"""
)


def is_pwned(page):
    return page.script("return Boolean(document.documentElement.dataset.pwned)")


def assert_harmless(page):
    assert not is_pwned(page)
    assert page.all("img, [onclick], [onerror], [style], main script, b b") == []
    hrefs = page.script("return [...document.links].map((link) => link.protocol)")
    assert set(hrefs) <= {"http:"}
    # Nor has the policy had to stop anything: it is the second line, not the first.
    assert page.console() == []


def test_nothing_that_a_job_says_runs_as_script_as_it_says_it_or_later(page, service):
    label = quote(ATTACK.replace("'", "")[:64])
    gates = str(service.gates)
    job_id = service.enqueue("echo", f"?label={label}", text=ATTACK, gates=gates)
    page.open(job_id)
    page.has_status("started")

    service.open("begin")
    page.find("#message", "<img src=x")
    assert len(page.all("#lines .line")) <= 2
    page.find("#lines .line", f"ERROR {ATTACK[:40]}")
    assert_harmless(page)
    service.open("end")
    page.has_status("finished")
    page.find("#outcome pre", "<img src=x")
    assert_harmless(page)
    page.open(job_id)
    page.find("#lines .line", f"stdout {ATTACK[:40]}")
    assert_harmless(page)


def test_nothing_that_a_failure_says_runs_as_script(page, service):
    job_id = service.enqueue("fail", "?retries=1", text=ATTACK)
    service.wait_for(job_id, "failed")

    page.open(job_id)
    page.find("#outcome pre", "<img src=x")
    page.find("summary", "Traceback").click()
    page.find("details pre", "raise ValueError(text)")
    assert_harmless(page)
    page.browser.get(httpx.post(f"{service.url}/jobs/{job_id}/share").json()["url"])
    page.find("#outcome pre", "<img src=x")
    assert page.all("details") == []
    assert_harmless(page)


def test_an_address_that_is_no_job_s_runs_nothing(page):
    page.open(quote(ATTACK.replace("/", "|"), safe=""))

    page.find("h1", "Unknown job")
    assert not is_pwned(page)
    assert page.all("img, main script, [onclick]") == []
    [complaint] = page.console()
    assert "404 (Not Found)" in complaint


def test_the_policy_stops_what_the_escaping_would_have_let_through(page, service, eventually):
    page.open(service.climb("?delay=600"))

    page.script(
        "document.body.insertAdjacentHTML('beforeend', arguments[0])",
        f'<img src="/pages/icon.svg" onload="{SCRIPT}"><style>body {{ color: red }}</style>',
    )

    complaints = eventually(page.console)
    assert any("Content Security Policy" in line for line in complaints)
    assert not is_pwned(page)


def test_no_other_page_can_frame_it(page, service, eventually):
    job_id = service.climb("?delay=600")
    page.browser.get(f"{service.url}/docs")

    page.script(
        "const frame = document.createElement('iframe'); frame.src = arguments[0];"
        "document.body.append(frame)",
        f"/jobs/{job_id}",
    )

    eventually(lambda: [line for line in page.console() if "frame-ancestors" in line])
