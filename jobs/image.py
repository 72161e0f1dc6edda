"""Resize and filter an image, from a URL or file to a file on any storage."""

import hashlib
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BaseModel, Field

from app.tasks import task
from jobs.download import DownloadRefusedError, download
from jobs.outbound import HostNotAllowedError, InnerAddressError
from jobs.pixels import (
    Filter,
    ImageFormat,
    NotAnImageError,
    NotEncodableError,
    TooManyPixelsError,
    apply_filters,
    decode,
    encode,
    fit,
)
from jobs.settings import job_settings
from jobs.storage import FileTooLargeError, LocationNotAllowedError, locate, read_file, write_file

SUFFIXES = {
    ".jpg": ImageFormat.JPEG,
    ".jpeg": ImageFormat.JPEG,
    ".png": ImageFormat.PNG,
    ".webp": ImageFormat.WEBP,
}
MAX_BYTES = "TASK_API_IMAGE_MAX_BYTES"
Place = Annotated[str, Field(min_length=1, max_length=1000)]
Side = Annotated[int, Field(ge=1, le=20_000, description="Pixels.", examples=[320])]


class UnknownImageFormatError(Exception):
    """Neither `format` nor the destination's suffix (.jpg, .png, .webp) says what to write."""


REFUSALS = (
    DownloadRefusedError,
    FileExistsError,
    FileNotFoundError,
    FileTooLargeError,
    HostNotAllowedError,
    InnerAddressError,
    IsADirectoryError,
    LocationNotAllowedError,
    NotADirectoryError,
    NotAnImageError,
    NotEncodableError,
    TooManyPixelsError,
    UnknownImageFormatError,
)
"""What trying again cannot mend."""


class ProcessedImage(BaseModel):
    """The image that was written."""

    url: str
    width: int
    height: int
    format: ImageFormat
    bytes: int
    sha256: str = Field(description="Of the file, in hexadecimal digits.")


@task(timeout=120, retries=3, backoff=5, give_up_on=REFUSALS)
def process_image(  # noqa: PLR0913 - a form of seven plain fields is easier than a nested one
    source: Annotated[
        Place,
        Field(description="http(s) URL, path, or URL of a storage.", examples=["photos/cat.jpg"]),
    ],
    destination: Annotated[
        Place,
        Field(description="Path or URL below the storage's root.", examples=["small/cat.webp"]),
    ],
    *,
    width: Side | None = None,
    height: Side | None = None,
    enlarge: Annotated[bool, Field(description="Let a small image grow.")] = False,
    filters: Annotated[tuple[Filter, ...], Field(max_length=8, description="In order.")] = (),
    format: Annotated[  # noqa: A002 - the word that callers expect
        ImageFormat | None, Field(description="Without it, the destination's suffix says.")
    ] = None,
) -> ProcessedImage:
    """Fit an image into width x height, keeping its proportions, filter it, and store it.

    Reads JPEG, PNG, GIF (its first frame) and WebP; follows the EXIF orientation; leaves all
    metadata behind. Relative paths stand below the storage's root. Overwrites the destination.
    """
    settings = job_settings()
    target = locate(destination, (settings.storage_url,), "TASK_API_STORAGE_URL")
    image_format = format or SUFFIXES.get(PurePosixPath(target.path).suffix.lower())
    if image_format is None:
        raise UnknownImageFormatError(f"{destination!r}: {UnknownImageFormatError.__doc__}")
    image = decode(_read(source), settings.image_max_pixels)
    image = fit(image, width, height, settings.image_max_pixels, enlarge=enlarge)
    image = apply_filters(image, filters)
    data = encode(image, image_format)
    write_file(target, data, f"image/{image_format}")
    return ProcessedImage(
        url=target.url,
        width=image.width,
        height=image.height,
        format=image_format,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _read(source: str) -> bytes:
    settings = job_settings()
    if source.lower().startswith(("http://", "https://")):
        return download(source, settings.image_max_bytes, MAX_BYTES)
    roots = settings.image_roots or (settings.storage_url,)
    location = locate(source, roots, "TASK_API_IMAGE_ROOTS")
    return read_file(location, settings.image_max_bytes, MAX_BYTES)
