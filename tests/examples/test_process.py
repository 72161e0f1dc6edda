"""POST /process: whatever becomes of the response, its temporary file is gone."""

import asyncio
import gzip
import os
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.background import BackgroundTask
from starlette.types import Message

from examples import process
from examples.process import FileThenTask
from jobs.cleanup import clean_temp_files
from jobs.settings import job_settings

from .conftest import Start
from .processes import PATIENCE, Server, wait_until

FOLDER = Path(".data/tmp")
LARGE = os.urandom(12 * 1024 * 1024)  # does not compress, and no kernel buffers it
APP = ("-m", "uvicorn", "--factory", "examples.main:create_app")


def files(folder: Path = Path()) -> list[Path]:
    return list((folder / FOLDER).glob("*/*"))


@pytest.mark.parametrize("body", [b"", b"Hello", b"\x00\xff" * 300_000])
def test_a_file_is_compressed_and_the_temporary_one_removed(
    client: TestClient, body: bytes
) -> None:
    answer = client.post("/process", content=body)

    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="processed.gz"'
    assert gzip.decompress(answer.content) == body
    assert files() == []


@pytest.mark.parametrize("form", [b"too large", iter([b"too", b" ", b"large"])])
def test_a_file_that_is_too_large_is_refused_and_removed(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, form: bytes
) -> None:
    monkeypatch.setattr(process, "LARGEST", 8)

    answer = client.post("/process", content=form)

    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/file-too-large"
    assert files() == []


def test_the_file_stays_as_long_as_a_slow_client_reads_and_no_longer(
    start: Start, tmp_path: Path
) -> None:
    server = start(Server, *APP)
    with server.send("/process", LARGE) as client:
        client.recv(1)
        time.sleep(0.3)
        [path] = files(tmp_path)
        size = path.stat().st_size

        received = 1
        while received < size:
            received += len(client.recv(1 << 20))

        wait_until(lambda: files(tmp_path) == [])


def test_the_file_goes_with_a_client_that_leaves_and_with_a_shutdown(
    start: Start, tmp_path: Path
) -> None:
    server = start(Server, *APP, "--timeout-graceful-shutdown", 1)
    with server.send("/process", b"half of it", length=20):
        wait_until(lambda: files(tmp_path))
    wait_until(lambda: files(tmp_path) == [])
    with server.send("/process", LARGE) as client:
        client.recv(1)
        assert files(tmp_path)
    wait_until(lambda: files(tmp_path) == [])
    assert "Traceback" not in server.log

    with server.send("/process", LARGE) as client:
        client.recv(1)
        assert files(tmp_path)
        server.terminate()
        server.wait()

    assert list((tmp_path / FOLDER).iterdir()) == []


def test_what_a_crash_leaves_the_job_clean_temp_files_removes(
    start: Start, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(Server, *APP)
    with server.send("/process", LARGE) as client:
        client.recv(1)
        server.kill()
    [left] = files(tmp_path)
    for path in (left, left.parent):
        os.utime(path, (0, 0))  # long ago
    monkeypatch.setenv("TASK_API_TEMP_DIR", str(tmp_path / FOLDER))
    job_settings.cache_clear()

    clean_temp_files(older_than=86_400)

    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_folder_that_clean_temp_files_has_removed_is_made_again(client: TestClient) -> None:
    [folder] = FOLDER.iterdir()
    folder.rmdir()

    assert client.post("/process", content=b"Hello").status_code == 200
    assert folder.is_dir()


@pytest.mark.parametrize("missing", [True, False])
def test_the_task_runs_where_the_file_or_the_connection_fails(
    tmp_path: Path, missing: bool
) -> None:
    path = tmp_path / "file"
    if not missing:
        path.write_text("Hello")
    ran: list[str] = []

    async def receive() -> Message:
        await asyncio.sleep(PATIENCE)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise OSError("connection lost")

    response = FileThenTask(path, background=BackgroundTask(ran.append, "task"))
    scope = {"type": "http", "method": "POST", "headers": []}
    with pytest.raises((OSError, RuntimeError), match=r"lost|does not exist"):
        asyncio.run(response(scope, receive, send))

    assert ran == ["task"]
