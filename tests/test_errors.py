"""Every error: its message, its status, and that whoever raises it tells all of its facts."""

import ast
import pickle
from pathlib import Path
from string import Formatter

import pytest
from pydantic import BaseModel, ValidationError

from app import errors
from app.errors import (
    MOST_PROBLEMS,
    IdempotencyKeyInFlight,
    QueueFull,
    TaskApiError,
    UnknownTask,
    field_problems,
)

ROOT = Path(__file__).parent.parent


def subclasses(kind):
    return [kind, *(found for each in kind.__subclasses__() for found in subclasses(each))]


ERRORS = sorted(
    {kind for kind in subclasses(TaskApiError) if kind.__module__ == errors.__name__},
    key=lambda kind: kind.__name__,
)


def facts_of(kind):
    """Give the names that an error's message is filled in with."""
    template = (kind.__doc__ or "").split("\n\n")[0]
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


class AnyFact(str):
    """A fact for any place of a message, one with a format for numbers included."""

    __slots__ = ()

    def __format__(self, spec):
        return str(self)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_the_docstring_is_the_message_with_the_facts_filled_in(kind):
    facts = {name: AnyFact(f"<{name}>") for name in facts_of(kind)}

    message = str(kind(**facts))

    assert all(f"<{name}>" in message for name in facts)
    assert not set("{}\n") & set(message)
    assert "  " not in message
    assert message[-1] in ".?)>"


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_has_a_status_a_slug_and_a_title(kind):
    assert kind.status in {400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429, 500, 503}
    # A 409 tells of a state that waiting does not mend, but for that of a request in flight.
    passes = kind.status in {429, 503} or kind is IdempotencyKeyInFlight
    assert (kind.retry_after is not None) == passes
    assert kind.slug() == kind.slug().lower()
    assert kind.title().replace(" ", "").lower() == kind.__name__.lower()


def test_no_two_errors_have_the_same_slug():
    assert len({kind.slug() for kind in ERRORS}) == len(ERRORS)


def test_an_error_is_named_for_machines_and_for_people():
    assert (UnknownTask.slug(), UnknownTask.title()) == ("unknown-task", "Unknown task")


def test_facts_may_hold_braces():
    assert "'{x} {0}'" in str(UnknownTask(name="{x} {0}"))


def test_an_error_goes_through_a_pickle():
    error = QueueFull(queue="high", limit=3)

    again = pickle.loads(pickle.dumps(error))

    assert (type(again), str(again), again.facts) == (QueueFull, str(error), error.facts)


def names_of_errors(tree):
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == errors.__name__
        for alias in node.names
    }


TREES = {
    path: ast.parse(path.read_text()) for path in [*ROOT.glob("app/**/*.py"), ROOT / "worker.py"]
}


def test_whoever_raises_an_error_tells_all_of_its_facts():
    by_name = {kind.__name__: kind for kind in ERRORS}
    seen, wrong = set(), []
    for path, tree in TREES.items():
        ours = names_of_errors(tree) & by_name.keys()
        for node in ast.walk(tree):
            match node:
                case ast.Call(ast.Name(name), args, keywords) if name in ours:
                    seen.add(name)
                    if args or not facts_of(by_name[name]) <= {k.arg for k in keywords}:
                        wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}")

    assert wrong == []
    assert len(seen) > 20


def test_every_error_is_used_somewhere():
    used = {name for tree in TREES.values() for name in names_of_errors(tree)}
    parents = {parent for kind in ERRORS for parent in kind.__bases__}

    assert {kind.__name__ for kind in ERRORS if kind not in parents} - used == set()


class Mail(BaseModel):
    to: str
    sizes: list[int] = []


def problems_of(values, root=None):
    with pytest.raises(ValidationError) as refused:
        Mail.model_validate(values)
    return field_problems(refused.value, root)


def test_each_place_that_does_not_fit_is_listed_without_its_value():
    found = problems_of({"to": 5, "sizes": [1, "hunter2"]}, root="body")

    assert [(each["loc"], each["type"]) for each in found] == [
        (["body", "to"], "string_type"),
        (["body", "sizes", 1], "int_parsing"),
    ]
    assert "hunter2" not in str(found)
    assert set(found[0]) == {"loc", "message", "type"}


def test_a_place_may_stand_by_itself():
    assert problems_of({})[0]["loc"] == ["to"]


def test_no_more_places_are_listed_than_anybody_reads():
    assert len(problems_of({"to": "a", "sizes": ["?"] * 1000})) == MOST_PROBLEMS
