"""The package's face: what importing anything of it sets up."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("metadata", "version"),
    [
        ("lambda name: {'task-api': '1.2.3'}[name]", "1.2.3"),
        ("lambda name: importlib.metadata.distribution('no-such').version", "0"),
    ],
    ids=["installed", "from a checkout"],
)
def test_the_version_is_that_of_the_installed_package(metadata, version):
    program = f"""
import importlib.metadata
importlib.metadata.version = {metadata}
import app
print(app.__version__, end="")
"""

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stdout == version
