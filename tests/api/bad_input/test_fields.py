"""The body's fields: each that does not fit, with its place."""

import json

import pytest

from app.errors import MOST_PROBLEMS
from tests.api.bad_input.requests import places, send


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({}, [(["points"], "missing")], id="missing"),
        pytest.param({"points": [{}]}, [(["points", 0, "x"], "missing")], id="missing within"),
        pytest.param({"points": 1}, [(["points"], "list_type")], id="ill-typed"),
        pytest.param(
            {"points": [{"x": 1}, {"x": "far"}]},
            [(["points", 1, "x"], "float_parsing")],
            id="ill-typed within",
        ),
        pytest.param(
            {"points": [], "colour": "green"}, [(["colour"], "literal_error")], id="not a choice"
        ),
        pytest.param({"points": [], "width": 10}, [(["width"], "less_than_equal")], id="over"),
        pytest.param({"points": [], "width": 1.5}, [(["width"], "int_from_float")], id="fraction"),
        pytest.param({"points": [], "width": None}, [(["width"], "int_type")], id="null"),
        pytest.param({"points": [], "size": 1}, [(["size"], "extra_forbidden")], id="unknown"),
        pytest.param({"points": [], "p0": 1}, [(["p0"], "extra_forbidden")], id="inner name"),
        pytest.param(
            {"points": [{"x": []}], "colour": 3, "size": 1},
            [
                (["points", 0, "x"], "float_type"),
                (["colour"], "literal_error"),
                (["size"], "extra_forbidden"),
            ],
            id="several at once",
        ),
    ],
)
def test_fields_that_do_not_fit_are_422_each_with_its_place(api, expect_problem, body, expected):
    problem = expect_problem(send(api, json.dumps(body), "draw"), 422, "invalid-arguments")

    assert places(problem) == [(["body", *loc], kind) for loc, kind in expected]
    assert "'draw'" in problem["detail"]


def test_what_was_sent_is_not_sent_back_in_an_error(api):
    answer = send(api, '{"points": "my secret"}', "draw")

    assert answer.status_code == 422
    assert "my secret" not in answer.text


def test_an_answer_lists_no_more_errors_than_anyone_reads(api, expect_problem):
    answer = send(api, json.dumps({"points": [1] * 5000}), "draw")

    problem = expect_problem(answer, 422, "invalid-arguments")
    assert len(problem["errors"]) == MOST_PROBLEMS
    assert len(answer.content) < 50_000
