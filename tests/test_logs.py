"""Logging."""

import logging
import re

import pytest

from app.logs import configure_logging
from app.settings import Settings


@pytest.fixture(autouse=True)
def restored():
    names = ("", "httpx", "httpcore")
    before = {name: logging.getLogger(name).level for name in names}
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def test_a_line_goes_to_standard_error_with_its_time_level_and_logger(capsys):
    configure_logging(Settings())

    logging.getLogger("task_api.worker").info("job.started id=%s", 7)

    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO    task_api\.worker job\.started id=7\n", err)


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_what_is_below_the_level_is_left_out(capsys, level, seen):
    configure_logging(Settings(log_level=level))

    for name in ("debug", "info", "warning", "error"):
        getattr(logging.getLogger("any"), name)(name)

    assert [line.split()[-1] for line in capsys.readouterr().err.splitlines()] == seen


def test_configuring_twice_writes_each_line_once(capsys):
    configure_logging(Settings())
    configure_logging(Settings())

    logging.getLogger("any").warning("once")

    assert capsys.readouterr().err.count("once") == 1


@pytest.mark.parametrize("name", ["httpx", "httpcore.http11"])
@pytest.mark.parametrize("level", ["debug", "info"])
def test_addresses_that_a_client_library_would_log_are_kept_out(capsys, name, level):
    configure_logging(Settings(log_level=level))

    logging.getLogger(name).info("HTTP Request: GET https://example.com/?token=secret")
    logging.getLogger(name).warning("something is wrong")

    assert "token" not in (err := capsys.readouterr().err)
    assert "something is wrong" in err


def test_a_client_library_is_no_louder_than_the_service(capsys):
    configure_logging(Settings(log_level="error"))

    logging.getLogger("httpx").warning("something is wrong")

    assert capsys.readouterr().err == ""
