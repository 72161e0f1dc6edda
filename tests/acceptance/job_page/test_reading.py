"""A job's page for everybody: on a phone, by keyboard, by ear, in the dark, and without script."""

from urllib.parse import quote

import pytest
from selenium.webdriver import Chrome, ChromeOptions, Keys
from selenium.webdriver.chrome.service import Service as Driver

# The least contrast of text with what is behind it (WCAG 2.2, success criterion 1.4.3).
AA = 4.5
CONTRASTS = """
const number = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b]
  .map((c) => c / 255)
  .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const colour = number(getComputedStyle(e).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
return [...document.body.querySelectorAll("*")]
  .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .filter((e) => e.checkVisibility())
  .map((e) => {
    const [a, b] = [light(number(getComputedStyle(e).color)), light(ground(e))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML.slice(0, 80)];
  });
"""


@pytest.fixture
def phone(page):
    """The browser as a narrow phone."""
    size = {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    yield page
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.fixture
def by_night(page):
    """The browser of somebody who prefers the dark."""

    def prefer(scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    prefer("dark")
    yield page
    prefer("light")


@pytest.fixture
def scriptless(chromium, tmp_path, service):
    """A browser whose owner has switched script off."""
    options = ChromeOptions()
    options.binary_location = (
        chromium.capabilities["chrome"].get("binary", "") or "/usr/bin/chromium"
    )
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path / 'scriptless'}")
    options.add_experimental_option(
        "prefs", {"profile.managed_default_content_settings.javascript": 2}
    )
    browser = Chrome(options, Driver(chromium.service.path))
    yield browser
    browser.quit()


def sideways(page):
    return page.script(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


def test_nothing_makes_a_phone_scroll_sideways(phone, service):
    long = "w" * 400
    running = service.climb(f"?label={long[:64]}&label=b&key={long[:200]}")
    failed = service.enqueue("fail", f"?label={long[:64]}&retries=1", text=f"{long} {long}")
    waiting = service.climb(f"?after={running}&after={failed}")
    phone.open(running)
    phone.has_status("started")
    phone.find("#lines .line", "reached gate 1")
    assert phone.script("return innerWidth") == 320
    assert sideways(phone) == 0
    phone.open(waiting)
    phone.has_status("deferred")
    assert sideways(phone) == 0

    for gate in range(1, 5):
        service.open(gate)
    service.wait_for(failed, "failed")
    phone.open(failed)
    phone.find("summary", "Traceback").click()
    phone.find("details pre")
    assert sideways(phone) == 0
    phone.open(quote("x" * 300))
    phone.find("h1", "Unknown job")
    assert sideways(phone) == 0


def test_every_button_of_a_phone_is_large_enough_for_a_thumb(phone, service):
    phone.open(service.climb("?delay=600"))

    sizes = [button.size for button in phone.all("button")]

    assert len(sizes) == 2
    assert all(size["height"] >= 44 and size["width"] >= 44 for size in sizes)


def test_a_screen_reader_finds_its_way(page, service):
    page.open(service.climb("?label=steep"))
    page.has_status("started")
    page.find("#message", "step 1")
    page.find("#lines .line", "reached gate 1")

    [main], [navigation] = page.all("main"), page.all("nav")
    assert main.aria_role == "main"
    assert (navigation.aria_role, navigation.accessible_name) == (
        "navigation",
        "More about this job",
    )
    bar = page.find("progress")
    assert (bar.aria_role, bar.accessible_name) == ("progressbar", "Progress")
    [status] = page.all("[role=status]")
    assert (status.aria_role, status.text) == ("status", "started")
    regions = [each.accessible_name for each in page.all("section") if each.is_displayed()]
    assert regions == ["How it stands", "Log", "Arguments", "Details"]
    headings = page.script(
        "return [...document.querySelectorAll('h1, h2')].filter((e) => e.checkVisibility())"
        ".map((e) => [e.tagName, e.textContent])"
    )
    assert headings == [["H1", "climb"], *(["H2", name] for name in regions)]
    assert page.script("return document.documentElement.lang") == "en"
    assert [button.accessible_name for button in page.all("button")] == ["Stop", "Share"]
    ids = page.script("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_the_keyboard_reaches_everything_shows_where_it_is_and_presses(page, service):
    job_id = service.climb("?delay=600")
    page.open(job_id)
    page.has_status("scheduled")
    reached = []

    for _ in range(6):
        page.browser.switch_to.active_element.send_keys(Keys.TAB)
        focused = page.browser.switch_to.active_element
        reached.append(focused.text if focused.tag_name in {"button", "a"} else focused.tag_name)
        assert focused.value_of_css_property("outline-style") == "solid", reached

    assert reached == ["Cancel", "Share", "pre", "JSON", "Why", "Dashboard"]
    page.find("button", "Cancel").send_keys(Keys.ENTER)
    page.has_status("canceled")


def test_focus_does_not_go_to_another_button_than_the_one_that_was_meant(page, service):
    job_id = service.climb(steps=1)
    page.open(job_id)
    page.has_status("started")
    page.script("document.querySelector('button.stop').focus()")

    service.open(1)

    page.has_status("finished")
    page.find("#outcome pre")
    assert page.browser.switch_to.active_element.tag_name == "h1"


def contrasts(page):
    found = page.script(CONTRASTS)
    assert len(found) > 10
    return [(round(ratio, 2), text) for ratio, text in found if ratio < AA]


@pytest.mark.parametrize("status", ["scheduled", "started", "finished", "failed", "canceled"])
def test_text_stands_out_by_day_and_by_night(by_night, service, status):
    page = by_night
    if status == "failed":
        job_id = service.enqueue("fail", "?retries=1&label=a", text="no")
        service.wait_for(job_id, status)
    else:
        job_id = service.climb("?label=a&delay=600" if status == "scheduled" else "?label=a")
    if status == "finished":
        for gate in range(1, 5):
            service.open(gate)
    page.open(job_id)
    if status == "canceled":
        page.press("Stop")
        status = "stopped"
    page.has_status(status)

    assert contrasts(page) == []
    features = [{"name": "prefers-color-scheme", "value": "light"}]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    assert contrasts(page) == []


@pytest.fixture
def in_kolkata(page):
    """The browser of somebody whose clock is five and a half hours ahead of UTC."""
    page.browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kolkata"})
    yield page
    page.browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


def test_times_are_those_of_the_reader_s_own_zone(in_kolkata, service):
    in_kolkata.open(service.climb("?run_at=2030-01-01T00:00:00Z"))

    in_kolkata.find("#details time", "5:30:00")
    assert in_kolkata.all('time[datetime="2030-01-01T00:00:00.000Z"]')


def in_own_zone(page):
    """Give the times of a page as they would be shown in the reader's own zone, and as they are."""
    return page.script(
        "return [...document.querySelectorAll('time:not([data-clock])')].map((time) => ["
        "new Date(time.dateTime).toLocaleString("
        "undefined, { dateStyle: 'medium', timeStyle: 'medium' }), time.textContent])"
    )


def test_the_times_of_a_share_link_are_those_of_the_reader_s_own_zone(in_kolkata, service):
    page = in_kolkata
    page.open(service.climb("?run_at=2030-01-01T00:00:00Z"))
    page.press("Share")
    address = page.find("#address").get_property("value")

    [(expected, shown)] = in_own_zone(page)
    assert shown == expected
    page.browser.get(address)
    page.find("#details time", "5:30:00")
    times = in_own_zone(page)
    assert len(times) == 3  # when it expires, when it was created, and when it runs
    assert all(shown == expected for expected, shown in times)
    assert page.console() == []


def test_without_script_the_page_loads_itself_again_and_its_buttons_work(
    scriptless, service, eventually
):
    browser = scriptless
    job_id = service.climb(steps=1)
    body = "body"

    def shows(text):
        return eventually(lambda: text in browser.find_element("css selector", body).text)

    browser.get(f"{service.url}/jobs/{job_id}")
    shows("step 1 of 1")
    shows("reached gate 1")
    shows("UTC")  # nobody has turned it into the reader's own
    service.open(1)
    shows('"height": 1')  # by itself
    later = service.climb("?delay=600")
    browser.get(f"{service.url}/jobs/{later}")
    browser.find_element("css selector", "button.cancel").click()
    shows("canceled")
    browser.find_element("css selector", "button.share").click()
    shows("It expires on")
    assert service.job(later)["status"] == "canceled"
