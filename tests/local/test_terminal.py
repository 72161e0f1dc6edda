"""The lines of several processes, side by side."""

import io
import subprocess
import sys

from app.local.terminal import Terminal


class Tty(io.StringIO):
    def isatty(self):
        return True


def test_prefixes_are_aligned_and_plain_where_there_is_no_terminal():
    stream = io.StringIO()
    terminal = Terminal(stream, ["up", "worker-1"])

    terminal.line("up", "one")
    terminal.line("worker-1", "two")

    assert stream.getvalue() == "up       | one\nworker-1 | two\n"


def test_prefixes_are_coloured_on_a_terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Tty()

    Terminal(stream, ["api"]).line("api", "one")

    assert stream.getvalue() == "\x1b[36mapi |\x1b[0m one\n"


def test_no_color_is_respected(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Tty()

    Terminal(stream, ["api"]).line("api", "one")

    assert stream.getvalue() == "api | one\n"


def test_what_the_locale_cannot_print_is_replaced():
    raw = io.BytesIO()
    terminal = Terminal(io.TextIOWrapper(raw, encoding="ascii"), ["api"])

    terminal.line("api", "grün")

    assert raw.getvalue() == b"api | gr?n\n"


def test_a_reader_that_goes_away_ends_the_printing_and_not_the_program():
    program = (
        "import sys, time; from app.local.terminal import Terminal\n"
        "terminal = Terminal(sys.stdout, ['api'])\n"
        "terminal.line('api', 'first')\n"
        "sys.stdin.readline()\n"
        "for _ in range(3): terminal.line('api', 'nobody reads this')\n"
        "print('done', file=sys.stderr)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "api | first\n"
    process.stdout.close()

    _, errors = process.communicate("go on\n", timeout=20)

    assert (process.returncode, errors) == (0, "done\n")
