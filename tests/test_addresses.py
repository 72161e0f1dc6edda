"""Which URLs a callback may have, which addresses are public, and which are this machine's."""

import pytest

from app.addresses import is_inner_by_name, is_loopback, is_public, place_of


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://hooks.example/a?b=c#d", (True, "hooks.example", 443, "/a?b=c")),
        ("HTTP://Hooks.Example", (False, "hooks.example", 80, "/")),
        ("http://hooks.example:8080?x", (False, "hooks.example", 8080, "/?x")),
        ("http://[2606:4700::1]:1/", (False, "2606:4700::1", 1, "/")),
        ("http://under_score.example./", (False, "under_score.example.", 80, "/")),
    ],
)
def test_a_url_is_taken_apart(url, place):
    assert place_of(url) == place


@pytest.mark.parametrize(
    "url",
    [
        *("", "hooks.example", "ftp://hooks.example/", "//hooks.example/", "http://", "http:///x"),
        *("http://user@hooks.example/", "http://me:you@hooks.example/", "http://@hooks.example/"),
        *("http://hooks.example:0/", "http://hooks.example:65536/", "http://hooks.example:x/"),
        *("http://hooks.example/a b", "http://hooks.example/\n", "http://hööks.example/"),
        *("http://[::1", "http://[fe80::1%25eth0]/", "http://a..b/", "http://[v1.x]/"),
    ],
)
def test_what_is_no_url_to_send_to_is_refused(url):
    with pytest.raises(ValueError):  # noqa: PT011 - its text is for a person
        place_of(url)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822"])
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("192.0.0.192", "192.0.0.9", "::ffff:192.0.0.192", "168.63.129.16", "3fff::1"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1"),
        *(
            "fe80::1%eth0",
            "fc00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
        ),
        *("2001:db8::1",),
    ],
)
def test_inner_link_local_and_special_addresses_are_not(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    ("url", "inner"),
    [
        ("http://localhost:9/", True),
        ("http://my.LOCALHOST./", True),
        ("http://127.0.0.1/", True),
        ("http://[::1]/", True),
        ("http://hooks.example/", False),
        ("http://93.184.216.34/", False),
    ],
)
def test_some_urls_say_by_themselves_that_they_are_inner_ones(url, inner):
    assert is_inner_by_name(url) is inner


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.255.255.254", True)),
        *(("0.0.0.0", False), ("::", False), ("", False), ("example.com", False)),
    ],
)
def test_loopback_is_told_from_other_addresses(host, loopback):
    assert is_loopback(host) is loopback
