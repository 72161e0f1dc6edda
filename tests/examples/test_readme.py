"""examples/README.md: each line that it tells a newcomer to type does what it says."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import Start
from .processes import ROOT, Server, wait_until

README = ROOT / "examples" / "README.md"


def test_every_curl_line_works(start: Start, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    text = README.read_text()
    lines = re.findall(r"^curl .*$", text, re.MULTILINE)
    server = start(Server, "-m", "examples")
    (tmp_path / "README.md").write_text(text)

    def run(line: str) -> str:
        command = line.replace("curl", "curl -fsS", 1).replace(":8001", f":{server.port}")
        return subprocess.check_output(["sh", "-c", command], cwd=tmp_path, text=True)

    answers = [run(line) for line in lines]

    assert len(lines) == 6
    assert '"job_id":' in answers[0]
    wait_until(lambda: '"status":"processed"' in run(lines[4]))  # a newcomer types more slowly
    assert (tmp_path / "README.md.gz").stat().st_size > 0


def test_every_file_and_endpoint_is_listed() -> None:
    text = README.read_text()
    parts = {path.name for path in README.parent.glob("[a-z]*.py")}

    assert set(re.findall(r"\]\((\w+\.py)\)", text)) == parts
