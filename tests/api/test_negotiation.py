"""Which form of a thing a caller wants, by its Accept header."""

import pytest

from app.api.negotiation import EVENT_STREAM, HTML, JSON, wanted

OF_CHROMIUM = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
    "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
)
OF_SAFARI = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def chosen(*accept, offered=(JSON, HTML, EVENT_STREAM)):
    return wanted({"headers": [(b"accept", each.encode()) for each in accept]}, offered)


@pytest.mark.parametrize("accept", [OF_CHROMIUM, OF_SAFARI, "text/html", "text/*;q=0.5, */*;q=0.1"])
def test_a_browser_gets_a_page(accept):
    assert chosen(accept) == HTML


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",  # curl, fetch, most libraries
        "application/json",
        "application/*",
        "application/json, text/html",
        "application/json, text/plain, */*",
        "text/html;q=0.5, application/json",
        "text/html;q=0, */*",
        "image/png",  # nothing that we have
        "",
        "text/html;q=many",
        "text/html;q=nan",
        "text/html;q=-1, application/json;q=0.1",
    ],
)
def test_everybody_else_gets_json(accept):
    assert chosen(accept) == JSON


def test_without_the_header_it_is_json():
    assert chosen() == JSON


def test_an_event_source_gets_the_stream():
    assert chosen("text/event-stream") == EVENT_STREAM


def test_several_headers_are_one_list():
    assert chosen("application/json;q=0.1", "text/html") == HTML


def test_the_more_specific_range_counts():
    assert chosen("text/*, text/html;q=0.1, application/json;q=0.5") == EVENT_STREAM
    assert chosen("TEXT/HTML ; Q=0.9 , */*;q=0.1") == HTML
