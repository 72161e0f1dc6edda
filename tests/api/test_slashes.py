"""A slash too many at an address' end, or one too few: the way to the right address is shown."""

import pytest
from pydantic import SecretStr


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/tasks/", "/tasks"),
        ("/jobs/", "/jobs"),
        ("/jobs//", "/jobs"),
        ("/jobs/?status=queued&label=%C3%A4", "/jobs?status=queued&label=%C3%A4"),
        ("/jobs/a%20b/", "/jobs/a%20b"),
        ("/jobs/a%3Fb%0D%0A/log/", "/jobs/a%3Fb%0D%0A/log"),
        ("/health/ready/", "/health/ready"),
        ("/docs/", "/docs"),
        ("/dashboard", "/dashboard/"),
    ],
)
@pytest.mark.parametrize("root", ["", "/tasks-api"])
def test_a_redirect_names_the_path_alone_which_is_right_behind_any_proxy(
    make_client, redis_url, path, right, root
):
    api = make_client(dashboard=True, redis_url=SecretStr(redis_url), root_path=root)

    answer = api.get(path, headers={"Host": "127.0.0.1:9"}, follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (307, root + right)


def test_a_redirected_post_is_a_post_still(api):
    mail = {"to": "ada@example.com", "subject": "Hello", "body": "It works"}

    answer = api.post("/tasks/send_email/", json=mail)

    assert (answer.status_code, [each.status_code for each in answer.history]) == (202, [307])


@pytest.mark.parametrize(
    "path", ["/nowhere/", "/nowhere", "//", "//tasks/", "/docs/assets/none", "/docs/assets/none/"]
)
def test_what_is_nowhere_is_nowhere_with_another_slash_too(api, expect_problem, path):
    answer = api.get(f"http://127.0.0.1:8000{path}", follow_redirects=False)

    expect_problem(answer, 404, "unknown-route", path)
