import subprocess
import sys

import pytest

from jobs.extra import MissingExtraError, needs_extra


def test_a_missing_package_is_an_error_that_names_the_extra() -> None:
    with (
        pytest.raises(
            MissingExtraError, match=r"'no_such_package'.*pip install '\.\[jobs\]'"
        ) as caught,
        needs_extra("jobs"),
    ):
        import no_such_package  # noqa: F401

    assert caught.value.name == "no_such_package"


def test_a_package_that_is_there_and_broken_is_not_called_missing() -> None:
    with pytest.raises(ImportError, match="cannot import name") as caught, needs_extra("jobs"):
        from email import no_such_name  # noqa: F401

    assert not isinstance(caught.value, MissingExtraError)


@pytest.mark.parametrize(
    ("module", "package"), [("jobs.call", "httpx"), ("jobs.email", "email_validator")]
)
def test_a_job_without_its_package_names_the_extra_at_its_import(module: str, package: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; import {module}"

    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 1
    assert f"MissingExtraError: The package '{package}' is not installed" in ended.stderr
    assert "pip install '.[jobs]'" in ended.stderr
