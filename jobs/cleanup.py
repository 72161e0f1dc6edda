"""Remove what is old from the one folder for temporary files."""

import logging
import os
import stat
import time
from dataclasses import dataclass
from errno import EEXIST, ENOTEMPTY
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from app.tasks import task
from jobs.settings import job_settings

log = logging.getLogger(__name__)

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
DEEPEST = 100  # folders in folders; each level holds a file descriptor and four frames


class UnsafeFolderError(Exception):
    """TASK_API_TEMP_DIR is a folder that nothing should clean."""


class Cleaned(BaseModel):
    """What was removed, or would be in a dry run."""

    files: int = Field(default=0, description="Files, links, sockets: all that is no folder.")
    folders: int = 0
    bytes: int = Field(default=0, description="Sum of the sizes of the files.")
    failed: int = Field(default=0, description="Old ones that could not be removed; see the log.")
    dry_run: bool = False


@task(queue="low", timeout=600, give_up_on=(UnsafeFolderError,))
def clean_temp_files(
    older_than: Annotated[int, Field(ge=1, le=10 * 365 * 86_400, examples=[86_400])],
    dry_run: bool = False,
) -> Cleaned:
    """Remove the files in TASK_API_TEMP_DIR that were last changed over `older_than` seconds ago.

    Old folders that are empty, or become so, go as well. Links are removed, never followed, and
    other file systems mounted below are left alone. `dry_run` only counts.
    """
    root = job_settings().temp_dir
    _check(root)
    counts = Cleaned(dry_run=dry_run)
    try:
        folder = os.open(root, OPEN_FOLDER)
    except FileNotFoundError:
        return counts  # nobody has written there yet
    _Sweep(time.time() - older_than, os.fstat(folder).st_dev, counts).clear(folder, depth=0)
    return counts


def _check(root: Path) -> None:
    if root.is_symlink():
        raise UnsafeFolderError(f"{root} is a link. Set TASK_API_TEMP_DIR to the folder itself.")
    home = os.path.expanduser("~")  # noqa: PTH111  Path.home() fails where there is none
    for kept in (Path(home), Path.cwd()):
        if kept.resolve().is_relative_to(root.resolve()):
            raise UnsafeFolderError(
                f"{root} is or holds {kept}, where more than temporary files may be. "
                "Set TASK_API_TEMP_DIR to a folder of its own."
            )


@dataclass
class _Sweep:
    """One run, from open folder to open folder.

    Each is opened by its name in the one above, and never through a link: so none leads out, not
    even one that takes a folder's place meanwhile.
    """

    changed_before: float
    device: int
    counts: Cleaned

    def clear(self, folder: int, depth: int) -> bool:
        """Clear an open folder and close it; tell whether nothing is left in it."""
        try:
            left = [name for name in os.listdir(folder) if not self._remove(name, folder, depth)]
            return not left
        finally:
            os.close(folder)

    def _remove(self, name: str, folder: int, depth: int) -> bool:
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                return self._remove_folder(name, folder, depth)
            if found.st_mtime >= self.changed_before:
                return False
            if not self.counts.dry_run:
                os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return True  # somebody else has removed it
        except OSError as error:
            log.warning("clean_temp_files: %r stays: %s", name, error)
            self.counts.failed += 1
            return False
        self.counts.files += 1
        self.counts.bytes += found.st_size if stat.S_ISREG(found.st_mode) else 0
        return True

    def _remove_folder(self, name: str, parent: int, depth: int) -> bool:
        if depth == DEEPEST:
            raise OSError(f"lies over {DEEPEST} folders deep")
        folder = os.open(name, OPEN_FOLDER, dir_fd=parent)
        found = os.fstat(folder)  # before it is cleared, which changes its time
        if found.st_dev != self.device:
            os.close(folder)
            return False
        emptied = self.clear(folder, depth + 1)
        if not emptied or found.st_mtime >= self.changed_before:
            return False
        try:
            if not self.counts.dry_run:
                os.rmdir(name, dir_fd=parent)
        except OSError as error:
            if error.errno in (ENOTEMPTY, EEXIST):
                return False  # somebody has written into it just now
            raise
        self.counts.folders += 1
        return True
