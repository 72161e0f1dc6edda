import os
import socket
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from jobs.cleanup import Cleaned, UnsafeFolderError, clean_temp_files

from .conftest import Configure, FakeJob

HOUR = 3600


@pytest.fixture
def temp(tmp_path: Path, configure: Configure) -> Path:
    folder = tmp_path / "temp"
    folder.mkdir()
    configure(TEMP_DIR=folder)
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the temporary one, with an old file that must stay."""
    folder = tmp_path / "outside"
    folder.mkdir()
    age(write(folder / "precious"), 100 * HOUR)
    age(folder, 100 * HOUR)
    return folder


def write(path: Path, size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def age(path: Path, seconds: float) -> Path:
    """Let a file, folder or link look as if it was last changed so long ago."""
    at = time.time() - seconds
    os.utime(path, (at, at), follow_symlinks=False)
    return path


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_what_is_older_goes_and_what_is_younger_stays(temp: Path) -> None:
    age(write(temp / "old", 7), 2 * HOUR)
    age(write(temp / ".hidden", 5), 2 * HOUR)
    age(write(temp / "a" / "b" / "older", 3), 99 * HOUR)
    age(write(temp / "young"), 0.9 * HOUR)
    age(write(temp / "of tomorrow"), -24 * HOUR)

    assert clean_temp_files(older_than=HOUR) == Cleaned(files=3, bytes=15)
    assert names(temp) == {"young", "of tomorrow", "a", "a/b"}  # the folders are new


def test_an_old_folder_goes_with_the_last_of_its_files(temp: Path) -> None:
    age(write(temp / "a" / "b" / "old"), 2 * HOUR)
    age(write(temp / "c" / "old"), 2 * HOUR)
    write(temp / "c" / "young")
    (temp / "empty").mkdir()
    for folder in ("a/b", "a", "c", "empty"):
        age(temp / folder, 2 * HOUR)

    assert clean_temp_files(older_than=HOUR) == Cleaned(files=2, folders=3, bytes=20)
    assert names(temp) == {"c", "c/young"}


def test_a_new_empty_folder_stays_as_somebody_is_about_to_use_it(temp: Path) -> None:
    (temp / "new").mkdir()

    assert clean_temp_files(older_than=HOUR) == Cleaned()
    assert names(temp) == {"new"}


def test_the_folder_itself_stays_however_old(temp: Path) -> None:
    age(temp, 99 * HOUR)

    assert clean_temp_files(older_than=HOUR) == Cleaned()
    assert temp.is_dir()


def test_a_dry_run_counts_the_same_and_removes_nothing(temp: Path) -> None:
    age(write(temp / "a" / "old", 7), 2 * HOUR)
    write(temp / "b" / "young")
    for folder in ("a", "b"):
        age(temp / folder, 2 * HOUR)
    before = names(temp)

    dry = clean_temp_files(older_than=HOUR, dry_run=True)

    assert dry == Cleaned(files=1, folders=1, bytes=7, dry_run=True)
    assert names(temp) == before
    assert clean_temp_files(older_than=HOUR) == dry.model_copy(update={"dry_run": False})
    assert names(temp) == {"b", "b/young"}


def test_a_folder_that_is_not_there_yet_is_clean(tmp_path: Path, configure: Configure) -> None:
    configure(TEMP_DIR=tmp_path / "nobody" / "wrote")

    assert clean_temp_files(older_than=HOUR) == Cleaned()


def test_sockets_and_pipes_go_too(temp: Path) -> None:
    os.mkfifo(temp / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(temp / "socket"))
    age(temp / "pipe", 2 * HOUR)
    age(temp / "socket", 2 * HOUR)

    assert clean_temp_files(older_than=HOUR) == Cleaned(files=2)
    assert names(temp) == set()


# Never outside.


def test_an_old_link_goes_and_what_it_points_at_stays(temp: Path, outside: Path) -> None:
    (temp / "to folder").symlink_to(outside)
    (temp / "to file").symlink_to(outside / "precious")
    (temp / "to nothing").symlink_to(outside / "missing")
    for link in temp.iterdir():
        age(link, 2 * HOUR)

    assert clean_temp_files(older_than=HOUR) == Cleaned(files=3)
    assert names(temp) == set()
    assert names(outside) == {"precious"}


def test_a_young_link_stays_and_is_not_followed(temp: Path, outside: Path) -> None:
    (temp / "link").symlink_to(outside)

    assert clean_temp_files(older_than=HOUR) == Cleaned()
    assert names(outside) == {"precious"}


def test_a_link_that_takes_a_folders_place_meanwhile_is_not_followed(
    temp: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst moment: the entry was seen as a folder, and is a link when it is opened."""
    folder = temp / "folder"
    folder.mkdir()
    age(folder, 2 * HOUR)
    really_open = os.open

    def swap_and_open(path: object, *args: object, **kwargs: object) -> int:
        if path == "folder":
            folder.rmdir()
            folder.symlink_to(outside)
        return really_open(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", swap_and_open)

    assert clean_temp_files(older_than=HOUR) == Cleaned(failed=1)
    assert names(outside) == {"precious"}


def test_a_link_that_takes_the_place_of_an_open_folder_is_not_followed(
    temp: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is listed, then moved away, and a link to a like-named file put there."""
    folder = temp / "folder"
    age(write(folder / "precious"), 2 * HOUR)
    age(folder, 2 * HOUR)
    really_list = os.listdir

    def list_and_swap(path: int) -> list[str]:
        found = really_list(path)
        if found == ["precious"]:
            folder.rename(temp / "moved")
            folder.symlink_to(outside)
        return found

    monkeypatch.setattr(os, "listdir", list_and_swap)

    result = clean_temp_files(older_than=HOUR)

    assert (result.files, result.folders) == (1, 0)
    assert names(temp / "moved") == set()
    assert names(outside) == {"precious"}


def test_a_file_written_into_a_folder_at_the_last_moment_saves_it(
    temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = temp / "folder"
    folder.mkdir()
    age(folder, 2 * HOUR)
    really_remove = os.rmdir

    def write_and_remove(name: str, *, dir_fd: int) -> None:
        write(folder / "late")
        really_remove(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", write_and_remove)

    assert clean_temp_files(older_than=HOUR) == Cleaned()
    assert names(temp) == {"folder", "folder/late"}


def test_a_file_that_somebody_else_removes_first_is_no_failure(
    temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(write(temp / "folder" / "old"), 2 * HOUR)
    age(temp / "folder", 2 * HOUR)
    really_unlink = os.unlink

    def unlink_twice(name: str, *, dir_fd: int) -> None:
        really_unlink(name, dir_fd=dir_fd)
        really_unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink_twice)

    assert clean_temp_files(older_than=HOUR) == Cleaned(folders=1)
    assert names(temp) == set()


def test_what_cannot_be_removed_is_counted_and_does_not_stop_the_rest(
    temp: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    age(write(temp / "folder" / "held"), 2 * HOUR)
    age(temp / "folder", 2 * HOUR)
    age(write(temp / "old"), 2 * HOUR)
    really_unlink = os.unlink

    def refuse_one(name: str, *, dir_fd: int) -> None:
        if name == "held":
            raise PermissionError(1, "Operation not permitted", name)
        really_unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refuse_one)

    assert clean_temp_files(older_than=HOUR) == Cleaned(files=1, bytes=10, failed=1)
    assert names(temp) == {"folder", "folder/held"}
    assert "'held' stays" in caplog.text


def test_a_folder_that_cannot_be_removed_is_counted(
    temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (temp / "folder").mkdir()
    age(temp / "folder", 2 * HOUR)

    def refuse(name: str, *, dir_fd: int) -> None:
        raise PermissionError(1, "Operation not permitted", name)

    monkeypatch.setattr(os, "rmdir", refuse)

    assert clean_temp_files(older_than=HOUR) == Cleaned(failed=1)


def test_another_file_system_mounted_below_is_left_alone(
    temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(write(temp / "mounted" / "old"), 2 * HOUR)
    age(temp / "mounted", 2 * HOUR)
    root_device = temp.stat().st_dev
    inner = (temp / "mounted").stat().st_ino
    really_stat = os.fstat

    def as_if_mounted(descriptor: int) -> os.stat_result:
        found = really_stat(descriptor)
        if found.st_ino != inner:
            return found
        return os.stat_result((*found[:2], root_device + 1, *found[3:]))

    monkeypatch.setattr(os, "fstat", as_if_mounted)

    assert clean_temp_files(older_than=HOUR) == Cleaned()
    assert names(temp) == {"mounted", "mounted/old"}


def test_a_tree_too_deep_to_walk_does_not_stop_the_rest(temp: Path) -> None:
    deepest = temp
    for _ in range(300):  # Python's own limit is 1000 calls in calls
        deepest /= "d"
    deepest.mkdir(parents=True)
    age(write(temp / "old"), 2 * HOUR)

    assert clean_temp_files(older_than=HOUR) == Cleaned(files=1, bytes=10, failed=1)
    assert deepest.is_dir()


def test_no_file_descriptor_stays_open(temp: Path) -> None:
    write(temp / "a" / "b" / "young")
    before = len(list(Path("/proc/self/fd").iterdir()))

    clean_temp_files(older_than=HOUR)

    assert len(list(Path("/proc/self/fd").iterdir())) == before


# Folders that nothing should clean.


def test_a_link_as_the_folder_is_refused(
    temp: Path, outside: Path, configure: Configure, job: FakeJob
) -> None:
    (temp / "link").symlink_to(outside)
    configure(TEMP_DIR=temp / "link")

    with pytest.raises(UnsafeFolderError, match="is a link"):
        clean_temp_files(older_than=HOUR)

    assert job.given_up
    assert names(outside) == {"precious"}


@pytest.mark.parametrize("folder", ["/", ".", "~", "~/..", "/usr/.."])
def test_a_folder_that_is_or_holds_the_home_or_the_programs_folder_is_refused(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configure: Configure
) -> None:
    home, here = tmp_path / "people" / "ada", tmp_path / "app"
    for path in (home, here):
        age(write(path / "precious"), 99 * HOUR)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    configure(TEMP_DIR=os.path.expanduser(folder))  # noqa: PTH111

    with pytest.raises(UnsafeFolderError, match="TASK_API_TEMP_DIR"):
        clean_temp_files(older_than=HOUR)

    assert (home / "precious").exists()
    assert (here / "precious").exists()


@pytest.mark.parametrize("seconds", [0, -1, 10**12, "soon"])
def test_an_age_that_is_none_is_refused(temp: Path, seconds: object) -> None:
    age(write(temp / "old"), 2 * HOUR)

    with pytest.raises(ValidationError, match="older_than"):
        clean_temp_files(older_than=seconds)

    assert names(temp) == {"old"}
