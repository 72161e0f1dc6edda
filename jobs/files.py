"""Write a file whole or not at all."""

import os
import uuid
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` at `path`, so that no reader, and no crash, ever sees a part of it.

    The data goes to a temporary file in the same folder, as a rename is atomic on one file system
    only, and reaches the disk before the rename does. Missing folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
