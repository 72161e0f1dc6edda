"""rq-dashboard's templates, made safe as they are loaded.

They print descriptions, results and tracebacks as HTML, which hands the operator's browser to
whoever may enqueue. Each edit that closes such a hole is listed here; one that finds nothing to do
stops the service at its start, since then the package is not the one that was looked through.
"""

import re
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable

from app.errors import UnknownDashboard

PREFIX = "rq_dashboard/"

_REFUSED = """\
    $(document).ajaxError(function(event, answer, request) {
        if (request.type !== 'POST') { return; }
        var reason = (answer.responseJSON || {}).detail || 'The service does not answer.';
        $('.container').prepend($('<div class="alert alert-danger" role="alert">').text(reason));
    });
"""


@dataclass(frozen=True, slots=True)
class Edit:
    """One thing that is changed in a template, wherever it stands there."""

    template: str
    old: str
    new: str

    def apply(self, templates: dict[str, str]) -> None:
        """Change the template.

        Raises:
            UnknownDashboard: there is nothing to change.
        """
        before = templates.get(PREFIX + self.template, "")
        if self.old not in before:
            raise unknown(f"{self.template} does not contain {self.old.strip()!r}")
        templates[PREFIX + self.template] = before.replace(self.old, self.new)


EDITS = (
    # Underscore's `<%=` prints HTML, `<%-` prints text. Two were escaped by hand: once will do.
    Edit("jobs.html", "<%= $('<div/>').text(d.description).html() %>", "<%= d.description %>"),
    Edit("jobs.html", "<%= $('<div/>').text(d.exc_info).html() %>", "<%= d.exc_info %>"),
    *(
        Edit(template, "<%=", "<%-")
        for template in ("job.html", "jobs.html", "queues.html", "workers.html")
    ),
    # What escapes in HTML does not in a script: there a queue's name, from the address, was run.
    Edit("scripts/jobs.js", "'{{ queue.name }}'", "{{ queue.name|tojson }}"),
    # The Content-Security-Policy lets no script run but those that carry the response's nonce.
    Edit("base.html", "<script ", '<script nonce="{{ csp_nonce() }}" '),
    # One poll without an answer was the last: the page of a job did not outlive a restart of Redis.
    Edit(
        "scripts/job.js",
        "if (err) {\n                return;",
        "if (err) {\n                return done();",
    ),
    # A button that was refused said nothing.
    Edit(
        "inline_js.html",
        '{% include "rq_dashboard/scripts/dashboard.js" with context %}',
        '{% include "rq_dashboard/scripts/dashboard.js" with context %}\n' + _REFUSED,
    ),
    Edit("job.html", "{{ id }}</h2>", '<a href="{{ api_root }}/jobs/{{ id }}">{{ id }}</a></h2>'),
)

_HOLES = (
    ("", re.compile(r"<%="), "a tag of Underscore's that prints HTML"),
    (
        "",
        re.compile(r"<script(?![^>]*( nonce=| type=\"text/template\"))"),
        "a script without a nonce",
    ),
    (".js", re.compile(r"{{(?![^}]*\|\s*tojson)"), "a value in a script that is not JSON"),
)
"""What must be nowhere once all edits are made: the files' ending, what to look for, its name."""


def safe_templates() -> dict[str, str]:
    """Read all of the package's templates, by the name that Jinja asks for, and make the edits.

    Raises:
        UnknownDashboard: they are not as expected.
    """
    templates = dict(_read(files("rq_dashboard") / "templates" / "rq_dashboard", PREFIX))
    for edit in EDITS:
        edit.apply(templates)
    for name, text in templates.items():
        for ending, pattern, hole in _HOLES:
            if name.endswith(ending) and pattern.search(text):
                raise unknown(f"{name} has {hole}")
    return templates


def _read(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _read(entry, f"{prefix}{entry.name}/")
        else:
            found.append((prefix + entry.name, entry.read_text("utf-8")))
    return found


def unknown(reason: str) -> UnknownDashboard:
    """Say in which way the installed package is another one."""
    return UnknownDashboard(version=version("rq-dashboard"), reason=reason)
