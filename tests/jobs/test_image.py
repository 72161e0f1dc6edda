"""process_image on real files: what it makes of its arguments, what it writes, what it refuses."""

import hashlib
import io
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from jobs.image import UnknownImageFormatError, process_image
from jobs.pixels import Filter, ImageFormat, NotAnImageError, TooManyPixelsError
from jobs.settings import job_settings
from jobs.storage import FileTooLargeError

from .conftest import Configure, FakeJob, picture


def test_an_image_is_fitted_filtered_and_written_where_the_result_says(storage: Path) -> None:
    done = process_image(
        "cat.png", "thumbs/small/cat.webp", width=20, height=20, filters=(Filter.GRAYSCALE,)
    )

    written = storage / "thumbs/small/cat.webp"
    data = written.read_bytes()
    assert done.url == written.as_uri()
    assert (done.width, done.height, done.format) == (20, 10, ImageFormat.WEBP)
    assert (done.bytes, done.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    image = Image.open(io.BytesIO(data))
    assert (image.size, image.format) == ((20, 10), "WEBP")
    lowest, highest = image.convert("HSV").getchannel("S").getextrema()
    assert (lowest, highest) == (0, 0)


@pytest.mark.parametrize(
    ("name", "image_format", "wanted"),
    [
        ("a.jpg", None, "JPEG"),
        ("a.JPEG", None, "JPEG"),
        ("a.png", None, "PNG"),
        ("a.webp", None, "WEBP"),
        ("without-suffix", ImageFormat.PNG, "PNG"),
        ("a.jpg", ImageFormat.WEBP, "WEBP"),
    ],
)
def test_the_format_is_the_one_asked_for_or_that_of_the_suffix(
    storage: Path, name: str, image_format: ImageFormat | None, wanted: str
) -> None:
    process_image("cat.png", name, format=image_format)
    with Image.open(storage / name) as written:
        assert written.format == wanted


@pytest.mark.parametrize("name", ["without-suffix", "a.gif", "a.html"])
def test_without_a_format_that_can_be_written_nothing_is(
    storage: Path, name: str, job: FakeJob
) -> None:
    with pytest.raises(UnknownImageFormatError, match="format"):
        process_image(source="cat.png", destination=name)
    assert job.given_up
    assert not (storage / name).exists()


def test_a_write_that_fails_leaves_the_old_image_and_no_rest(
    storage: Path, monkeypatch: pytest.MonkeyPatch, job: FakeJob
) -> None:
    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    before = (storage / "cat.png").read_bytes()
    monkeypatch.setattr(os, "fsync", full_disk)

    with pytest.raises(OSError, match="No space left"):
        process_image(source="cat.png", destination="cat.png", width=5)

    assert not job.given_up
    assert [entry.name for entry in storage.iterdir()] == ["cat.png"]
    assert (storage / "cat.png").read_bytes() == before


def test_who_reads_an_image_while_it_is_replaced_reads_the_old_one_whole(storage: Path) -> None:
    before = (storage / "cat.png").read_bytes()
    with (storage / "cat.png").open("rb") as reader:
        process_image("cat.png", "cat.png", width=5)
        assert reader.read() == before
    assert (storage / "cat.png").read_bytes() != before


def test_a_written_file_has_the_rights_that_the_umask_leaves(storage: Path) -> None:
    before = os.umask(0o027)
    try:
        process_image("cat.png", "new.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE((storage / "new.png").stat().st_mode) == 0o640


def test_a_file_above_the_limit_is_refused_with_no_more_read_than_the_limit(
    storage: Path, configure: Configure, job: FakeJob
) -> None:
    configure(IMAGE_MAX_BYTES="1kB")
    with (storage / "huge.png").open("wb") as huge:
        huge.truncate(2**40)  # a sparse terabyte: reading it whole would not end
    with pytest.raises(FileTooLargeError, match="TASK_API_IMAGE_MAX_BYTES"):
        process_image(source="huge.png", destination="copy.png")
    assert job.given_up


def test_a_file_of_just_the_limit_is_read(storage: Path, configure: Configure) -> None:
    configure(IMAGE_MAX_BYTES=len(picture()))
    assert process_image("cat.png", "copy.png").width == 40


def test_too_many_pixels_and_what_is_no_image_are_not_tried_again(
    storage: Path, configure: Configure, job: FakeJob
) -> None:
    configure(IMAGE_MAX_PIXELS=799)
    with pytest.raises(TooManyPixelsError, match="40 x 20"):
        process_image(source="cat.png", destination="copy.png")
    assert job.given_up


def test_what_is_no_image_is_not_tried_again(storage: Path, job: FakeJob) -> None:
    (storage / "page.png").write_text("<html>")
    with pytest.raises(NotAnImageError):
        process_image(source="page.png", destination="copy.png")
    assert job.given_up
    assert not (storage / "copy.png").exists()


def test_a_pixel_limit_above_pillows_own_is_refused_at_start(configure: Configure) -> None:
    configure(IMAGE_MAX_PIXELS=89_478_486)
    with pytest.raises(ValidationError, match="image_max_pixels"):
        job_settings()


@pytest.mark.parametrize(
    "arguments",
    [
        {"width": 0},
        {"height": 20_001},
        {"filters": ["posterize"]},
        {"filters": ["blur"] * 9},
        {"format": "gif"},
        {"source": ""},
        {"destination": "x" * 1001},
        {"quality": 3},
    ],
)
def test_arguments_out_of_bounds_are_refused(storage: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        process_image(**({"source": "cat.png", "destination": "copy.png"} | arguments))
