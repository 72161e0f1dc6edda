"""Files below configured roots, on local disk or on any store that fsspec knows.

A caller over HTTP chooses the places, so `locate` lets only those through that lie below a root.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jobs.extra import needs_extra
from jobs.files import replace_file
from jobs.settings import job_settings

with needs_extra("jobs"):
    import fsspec

# `::` chains fsspec's file systems, `?` and `#` end a URL's path, `\` parts it on Windows.
UNSAFE = re.compile(r"[\x00-\x1f\x7f\\?#]|::")
UNSAFE_SEGMENTS = {"", ".", ".."}


class LocationNotAllowedError(Exception):
    """The place lies below none of the roots that the setting names, or could mislead a store."""


class FileTooLargeError(Exception):
    """The file has more bytes than the setting allows."""


@dataclass(frozen=True)
class Location:
    """One file of one kind of store: an absolute path of "file", bucket/key of "s3", …."""

    protocol: str
    path: str

    @property
    def url(self) -> str:
        """The place as a URL, which `locate` takes again."""
        is_local = self.protocol == "file"
        return Path(self.path).as_uri() if is_local else f"{self.protocol}://{self.path}"

    def is_below(self, root: "Location") -> bool:
        """Tell whether it is inside a folder, at any depth."""
        folder = root.path.rstrip("/") + "/"
        return self.protocol == root.protocol and self.path.startswith(folder)


def locate(place: str, roots: Sequence[str], setting: str) -> Location:
    """Check a path or URL that a caller chose against the roots that the operator chose.

    A relative path stands below the first root. Symbolic links are followed before the check, so
    none leads out of a root.

    Raises:
        LocationNotAllowedError: it lies below no root, or has parts that a store could take for
            something else (`..`, `::`, `?`). The message names `setting`.

    """
    folders = [_root(root) for root in roots]
    location = _parse(place, folders[0])
    if location is None or not any(location.is_below(folder) for folder in folders):
        raise LocationNotAllowedError(
            f"{place!r} is no plain path below {', '.join(roots)}. {setting} names what is allowed."
        )
    return location


def read_file(location: Location, max_bytes: int, setting: str) -> bytes:
    """Read a file, and of one that is too large no more than the limit.

    Raises:
        FileNotFoundError: there is nothing, or a folder, or a device.
        FileTooLargeError: it has more than `max_bytes`. The message names `setting`.
        OSError: the store failed; trying again may help.

    """
    store = _store(location.protocol)
    if store.info(location.path)["type"] != "file":  # opening a pipe would wait for ever
        raise FileNotFoundError(f"{location.url} is not a file")
    with store.open(location.path, "rb", block_size=2**20) as file:
        data: bytes = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise FileTooLargeError(f"{location.url} has over {max_bytes} bytes. Raise {setting}.")
    return data


def write_file(location: Location, data: bytes, content_type: str) -> None:
    """Write a file whole or not at all, over one that is there.

    Raises:
        FileNotFoundError: the bucket does not exist.
        IsADirectoryError, FileExistsError: it is a folder, or wants one where a file is.
        OSError: the store failed; trying again may help.

    """
    if location.protocol == "file":
        replace_file(Path(location.path), data)  # an object store writes like this by itself
    else:
        options = {"ContentType": content_type} if location.protocol == "s3" else {}
        _store(location.protocol).pipe_file(location.path, data, **options)


def _root(root: str) -> Location:
    scheme, separator, rest = root.partition("://")
    if separator and scheme != "file":
        return Location(scheme, rest.rstrip("/"))
    return Location("file", str(Path(rest if separator else root).resolve()))


def _parse(place: str, first_root: Location) -> Location | None:
    scheme, separator, rest = place.partition("://")
    if not separator:
        protocol = "file" if place.startswith("/") else first_root.protocol
        path = place if place.startswith("/") else f"{first_root.path}/{place}"
    else:
        protocol = scheme.lower()
        path = unquote(rest.removeprefix("localhost")) if protocol == "file" else rest
    if UNSAFE.search(path) or UNSAFE_SEGMENTS.intersection(path.removeprefix("/").split("/")):
        return None
    if protocol != "file":
        return Location(protocol, path)
    # Without the slash it is a share on another host: file://host/share.
    return Location(protocol, str(Path(path).resolve())) if path.startswith("/") else None


def _store(protocol: str) -> Any:
    endpoint = job_settings().s3_endpoint_url
    options = {"endpoint_url": endpoint} if protocol == "s3" and endpoint else {}
    return fsspec.filesystem(protocol, **options)
