"""The body as JSON: what is refused, and that all else is kept as it is."""

import json

import pytest

from tests.api.bad_input.requests import places, send


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"{", "EOF", id="cut short"),
        pytest.param(b" ", "EOF", id="blank"),
        pytest.param(b"value=1", "expected value", id="a form"),
        pytest.param(b"{'value': 1}", "key must be a string", id="single quotes"),
        pytest.param(b'{"value":1,}', "trailing comma", id="trailing comma"),
        pytest.param(b'{"value":1}{}', "trailing characters", id="two values"),
        pytest.param(b'{"value":01}', "invalid number", id="leading zero"),
        pytest.param(b'\xef\xbb\xbf{"value":1}', "expected value", id="byte order mark"),
        pytest.param('{"value":1}'.encode("utf-16"), "expected value", id="UTF-16"),
        pytest.param(b'{"value":"\xff"}', "unicode", id="no UTF-8"),
        pytest.param(b'{"value":"\xed\xa0\x80"}', "unicode", id="surrogate as UTF-8"),
        pytest.param(b'{"value":"\x00"}', "control character", id="raw null byte"),
        pytest.param(b'{"value":\x00}', "expected value", id="null byte outside a string"),
        pytest.param(rb'{"value":"\ud800"}', "hex escape", id="lone leading surrogate"),
        pytest.param(rb'{"value":"\udc00"}', "surrogate", id="lone trailing surrogate"),
        pytest.param(rb'{"\ud800":1}', "hex escape", id="lone surrogate as a name"),
        pytest.param(b'{"value":' + b"9" * 4301 + b"}", "out of range", id="4301 digits"),
    ],
)
def test_a_body_that_is_no_json_is_400_with_the_place(api, expect_problem, body, reason):
    problem = expect_problem(send(api, body), 400, "malformed-body")

    assert reason in problem["detail"]
    assert "at line 1 column" in problem["detail"]


@pytest.mark.parametrize("name", ["keep", "store"])
@pytest.mark.parametrize(
    "number",
    [
        *("NaN", "Infinity", "-Infinity", "1e999", "-1E+999", "1e0309", '{"a":[1e999]}'),
        pytest.param("1" * 300 + "e99", id="many digits and a small exponent"),
        pytest.param("9" * 309 + ".0", id="many digits"),
    ],
)
def test_a_number_that_json_or_a_double_does_not_have_is_400_even_where_anything_fits(
    api, expect_problem, name, number
):
    expect_problem(send(api, f'{{"value":{number}}}', name), 400, "malformed-body")


@pytest.mark.parametrize("number", ['"NaN"', '"Infinity"', '"1e999"', "9" * 400])
def test_a_field_for_a_number_takes_finite_ones_only(api, expect_problem, number):
    problem = expect_problem(
        send(api, f'{{"length":{number}}}', "measure"), 422, "invalid-arguments"
    )

    assert places(problem) == [(["body", "length"], "finite_number")]


@pytest.mark.parametrize("number", ['"NaN"', r'"\u006ean"', '"1e999"', "9" * 400])
def test_a_model_of_the_user_s_own_takes_no_infinity_either(api, expect_problem, number):
    answer = send(api, f'{{"points":[{{"x":{number}}}]}}', "draw")

    problem = expect_problem(answer, 422, "invalid-arguments")
    assert places(problem) == [(["body", "points"], "not_json")]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("NaN Infinity 1e999 ∞", id="their names in a string"),
        pytest.param("a\x00b", id="escaped null byte"),
        pytest.param("\U0001f600", id="beyond the basic plane"),
        pytest.param(10**4299, id="4300 digits"),
        pytest.param(1.7e308, id="largest double"),
        pytest.param(5e-324, id="smallest double"),
        pytest.param({"": [None, True, {}]}, id="nested"),
    ],
)
@pytest.mark.parametrize("name", ["keep", "store"])
def test_whatever_json_can_say_is_kept_as_it_is(api, name, value):
    answer = send(api, json.dumps({"value": value}), name)

    assert answer.status_code == 202
    assert answer.json()["args"] == {"value": value}
    assert api.get(answer.headers["location"]).json()["args"] == {"value": value}


def test_a_surrogate_pair_is_one_character(api):
    answer = send(api, rb'{"value":"\ud83d\ude00"}')

    assert answer.json()["args"] == {"value": "\U0001f600"}


def test_of_a_name_given_twice_the_last_one_counts(api):
    assert send(api, '{"value":1,"value":2}').json()["args"] == {"value": 2}


@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")], ids=["arrays", "objects"])
@pytest.mark.parametrize("depth", [201, 100_000])
def test_a_body_that_is_too_deep_is_400(api, expect_problem, brackets, depth):
    opening, closing = brackets

    answer = send(api, '{"value":' + opening * depth + "1" + closing * depth + "}")

    assert "recursion limit" in expect_problem(answer, 400, "malformed-body")["detail"]


def test_the_deepest_body_that_is_taken_can_be_read_again(api):
    answer = send(api, '{"value":' + "[" * 199 + "]" * 199 + "}")

    assert answer.status_code == 202
    assert api.get(answer.headers["location"]).json()["args"] == answer.json()["args"]


@pytest.mark.parametrize("body", ["[]", "null", "1", '"value"', "true"])
def test_a_body_that_is_no_object_is_422(api, expect_problem, body):
    problem = expect_problem(send(api, body), 422, "invalid-arguments")

    assert places(problem) == [(["body"], "model_type")]
