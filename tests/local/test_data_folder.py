"""The lock of a data folder."""

import json
import os
import subprocess
import sys

import pytest

from app.errors import FolderInUse, FolderNotWritable
from app.local.data_folder import FolderLock


def test_a_held_folder_is_refused_with_the_holder_and_its_links(tmp_path):
    held = FolderLock(tmp_path)
    held.acquire()
    held.describe(["http://127.0.0.1:8000", "redis://127.0.0.1:6379/0"])

    with pytest.raises(FolderInUse) as refused:
        FolderLock(tmp_path).acquire(patience=0)

    held.release()
    message = str(refused.value)
    assert f"process {os.getpid()} (http://127.0.0.1:8000, redis://127.0.0.1:6379/0)" in message
    assert "TASK_API_DATA_DIR" in message


def test_the_links_of_the_holder_are_there_as_long_as_it_holds_the_folder(tmp_path):
    seen_from_beside = FolderLock(tmp_path)
    assert seen_from_beside.links() == ()
    assert not (tmp_path / "lock").exists()
    held = FolderLock(tmp_path)
    held.acquire()
    assert seen_from_beside.links() == ()
    held.describe(["http://127.0.0.1:8000", "redis://127.0.0.1:6379/0"])

    assert seen_from_beside.links() == ("http://127.0.0.1:8000", "redis://127.0.0.1:6379/0")

    (tmp_path / "lock").write_text('{"pid":')
    assert seen_from_beside.links() == ()
    held.describe(["redis://127.0.0.1:6379/0"])
    held.release()
    assert seen_from_beside.links() == ()


def test_a_released_folder_can_be_locked_again(tmp_path):
    lock = FolderLock(tmp_path / "new" / "folder")
    lock.acquire()
    lock.release()

    again = FolderLock(tmp_path / "new" / "folder")
    again.acquire(patience=0)
    again.release()


def test_a_shorter_note_leaves_nothing_of_a_longer_one(tmp_path):
    lock = FolderLock(tmp_path)
    lock.acquire()
    lock.describe(["a" * 500])
    lock.describe(["b"])

    assert json.loads((tmp_path / "lock").read_text()) == {"pid": os.getpid(), "links": ["b"]}
    lock.release()


def test_a_child_that_inherits_the_lock_holds_it_when_its_parent_is_gone(tmp_path):
    lock = FolderLock(tmp_path)
    lock.acquire()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "lock").write_text(json.dumps({"pid": dead.pid, "links": []}))
    child = subprocess.Popen(["sleep", "60"], pass_fds=[lock.fd])
    try:
        lock.release()

        with pytest.raises(FolderInUse, match=f"Redis server that process {dead.pid} left"):
            FolderLock(tmp_path).acquire(patience=0.1)
    finally:
        child.kill()
        child.wait()
    again = FolderLock(tmp_path)
    again.acquire()
    again.release()


def test_a_lock_without_a_readable_note_is_still_a_lock(tmp_path):
    held = FolderLock(tmp_path)
    held.acquire()
    (tmp_path / "lock").write_text('{"pid":')

    with pytest.raises(FolderInUse, match="in use by another process"):
        FolderLock(tmp_path).acquire(patience=0)
    held.release()


def test_a_folder_that_cannot_be_made_is_an_error_with_its_remedy(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(FolderNotWritable, match="TASK_API_DATA_DIR"):
        FolderLock(tmp_path / "file" / "folder").acquire()


def test_the_file_of_a_lock_that_is_not_held_cannot_be_passed_on(tmp_path):
    with pytest.raises(ValueError, match="not held"):
        _ = FolderLock(tmp_path).fd
