"""Where process_image reads and writes: below its roots, on local disk, S3 and others."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image

from jobs.image import process_image
from jobs.pixels import ImageFormat
from jobs.storage import FileTooLargeError, LocationNotAllowedError

from .conftest import Configure, FakeJob, picture


@pytest.mark.parametrize("form", ["relative", "absolute", "file URL", "FILE URL", "with a host"])
def test_a_local_place_may_be_written_in_any_of_these_forms(storage: Path, form: str) -> None:
    name = "a b%20ü.png"
    absolute = storage / name
    places = {
        "relative": name,
        "absolute": str(absolute),
        "file URL": absolute.as_uri(),
        "FILE URL": absolute.as_uri().replace("file:", "FILE:"),
        "with a host": absolute.as_uri().replace("file:///", "file://localhost/"),
    }
    process_image("cat.png", places[form])
    assert absolute.exists()
    assert process_image(places[form], "again.png").width == 40


def test_a_written_url_can_be_read_again(storage: Path) -> None:
    first = process_image("cat.png", "one.png")
    assert process_image(first.url, "two.png").sha256 == first.sha256


HOSTILE = [
    "../secret.png",
    "thumbs/../../secret.png",
    "./cat.png",
    "thumbs//cat.png",
    "{outside}/secret.png",
    "{outside}/storage-of-others/cat.png",
    "{outside}/storage",
    "{outside}/storage/",
    "{outside}/storage/../secret.png",
    "file://{outside}/secret.png",
    "FILE://{outside}/secret.png",
    "file://{outside}/storage/../secret.png",
    "file://{outside}/storage/%2e%2e/secret.png",
    "file://{outside}/storage/%2E%2E%2Fsecret.png",
    "file://{outside}/storage/cat.png%00.png",
    "file://{outside}/storage/cat.png?a=1",
    "file://{outside}/storage/cat.png#a",
    "file://evil.example{outside}/storage/cat.png",
    "file://localhost.evil.example{outside}/storage/cat.png",
    "local://{outside}/secret.png",
    "simplecache::file://{outside}/secret.png",
    "filecache::file://{outside}/storage/cat.png",
    "blockcache::http://127.0.0.1/cat.png",
    "zip://cat.png::file://{outside}/storage/cat.zip",
    "s3://bucket/cat.png",
    "memory://cat.png",
    "ftp://127.0.0.1/cat.png",
    "data:image/png;base64,AAAA::x",
    "cat.png\x00.jpg",
    "cat\n.png",
    "..\\secret.png",
    "/etc/passwd",
    "/proc/self/environ",
    "~/cat.png/..",
    ".",
    "..",
    "/",
    "://",
    "file://",
]


@pytest.mark.parametrize("place", HOSTILE)
def test_a_place_that_is_not_plainly_below_the_root_is_refused(
    storage: Path, place: str, job: FakeJob
) -> None:
    place = place.replace("{outside}", str(storage.parent))
    before = sorted(storage.parent.rglob("*"))

    with pytest.raises(LocationNotAllowedError, match="TASK_API_IMAGE_ROOTS"):
        process_image(source=place, destination="copy.png")
    assert job.given_up
    with pytest.raises(LocationNotAllowedError, match="TASK_API_STORAGE_URL"):
        process_image("cat.png", place, format=ImageFormat.PNG)

    assert sorted(storage.parent.rglob("*")) == before


@pytest.mark.parametrize("place", ["~/cat.png", "file:/etc/passwd", "local:/etc/passwd", "s3:/b/k"])
def test_what_only_looks_like_another_place_is_a_name_below_the_root(
    storage: Path, place: str
) -> None:
    process_image("cat.png", place, format=ImageFormat.PNG)
    assert (storage / place).is_file()


def test_a_file_url_that_names_another_host_is_not_taken_for_a_relative_path(
    storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(storage.parent)
    with pytest.raises(LocationNotAllowedError):
        process_image("file://storage/cat.png", "copy.png")


@pytest.mark.parametrize("link", ["link.png", "folder/secret.png"])
def test_a_symbolic_link_leads_nobody_out_of_the_root(storage: Path, link: str) -> None:
    (storage / "link.png").symlink_to(storage.parent / "secret.png")
    (storage / "folder").symlink_to(storage.parent)
    secret = (storage.parent / "secret.png").read_bytes()

    with pytest.raises(LocationNotAllowedError):
        process_image(link, "copy.png")
    with pytest.raises(LocationNotAllowedError):
        process_image("cat.png", link, width=3)

    assert (storage.parent / "secret.png").read_bytes() == secret
    assert not (storage / "copy.png").exists()


def test_a_symbolic_link_within_the_root_and_a_root_that_is_one_both_work(
    storage: Path, configure: Configure
) -> None:
    (storage / "link.png").symlink_to("cat.png")
    (storage.parent / "root").symlink_to(storage)
    configure(STORAGE_URL=storage.parent / "root")
    assert process_image("link.png", "copy.png").url == (storage / "copy.png").as_uri()


def test_sources_may_have_roots_of_their_own(storage: Path, configure: Configure) -> None:
    others = storage.parent / "storage-of-others"
    configure(IMAGE_ROOTS=f"{others}, file://{storage.parent}/third")
    (storage.parent / "third").mkdir()
    (storage.parent / "third" / "dog.png").write_bytes(picture())

    process_image("cat.png", "of-the-first.png")
    process_image(str(storage.parent / "third/dog.png"), "of-the-third.png")
    with pytest.raises(LocationNotAllowedError):
        process_image(str(storage / "cat.png"), "no.png")

    assert {path.name for path in storage.glob("of-*")} == {"of-the-first.png", "of-the-third.png"}


@pytest.mark.parametrize("source", ["missing.png", "folder", "pipe", "cat.png/x.png"])
def test_what_is_no_file_is_refused_at_once(storage: Path, source: str, job: FakeJob) -> None:
    (storage / "folder").mkdir()
    os.mkfifo(storage / "pipe")
    with pytest.raises((FileNotFoundError, NotADirectoryError)):
        process_image(source=source, destination="copy.png")
    assert job.given_up


@pytest.mark.parametrize("destination", ["folder", "cat.png/x.png"])
def test_a_destination_that_is_no_file_is_not_tried_again(
    storage: Path, destination: str, job: FakeJob
) -> None:
    (storage / "folder").mkdir()
    with pytest.raises((IsADirectoryError, FileExistsError)):
        process_image(source="cat.png", destination=destination, format="png")  # type: ignore[arg-type]
    assert job.given_up


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(moto: str, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the S3 server's file system, with a bucket `pictures` and one image in `in/`."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    configure(STORAGE_URL="s3://pictures/out", IMAGE_ROOTS="s3://pictures/in", S3_ENDPOINT_URL=moto)
    store = fsspec.filesystem("s3", endpoint_url=moto)
    store.mkdir("pictures")
    store.pipe_file("pictures/in/cat.png", picture())
    store.pipe_file("pictures/secret.png", picture())
    yield store
    store.rm("pictures", recursive=True)


def test_an_image_goes_from_s3_to_s3_with_its_content_type(bucket: Any) -> None:
    done = process_image("s3://pictures/in/cat.png", "thumbs/cat.jpg", width=10)

    assert done.url == "s3://pictures/out/thumbs/cat.jpg"
    data = bucket.cat_file("pictures/out/thumbs/cat.jpg")
    assert hashlib.sha256(data).hexdigest() == done.sha256
    assert bucket.info("pictures/out/thumbs/cat.jpg")["ContentType"] == "image/jpeg"


def test_a_relative_path_stands_below_the_root_on_s3(bucket: Any) -> None:
    assert process_image("cat.png", "s3://pictures/out/x.png").url == "s3://pictures/out/x.png"


@pytest.mark.parametrize(
    "place",
    [
        "s3://pictures/secret.png",
        "s3://pictures/in/../secret.png",
        "s3://pictures/in//cat.png",
        "s3://pictures/inside/cat.png",
        "s3://pictures/in/cat.png?versionId=1",
        "s3://others/in/cat.png",
        "s3a://pictures/in/cat.png",
        "s3:///pictures/in/cat.png",
        "simplecache::s3://pictures/in/cat.png",
        "../secret.png",
        "/etc/passwd",
    ],
)
def test_what_is_not_below_the_prefix_on_s3_is_refused(bucket: Any, place: str) -> None:
    with pytest.raises(LocationNotAllowedError, match="TASK_API_IMAGE_ROOTS"):
        process_image(place, "copy.png")


@pytest.mark.parametrize("source", ["s3://pictures/in/missing.png", "s3://pictures/in/folder"])
def test_what_is_no_object_on_s3_is_not_tried_again(bucket: Any, source: str, job: FakeJob) -> None:
    bucket.pipe_file("pictures/in/folder/cat.png", picture())
    with pytest.raises(FileNotFoundError):
        process_image(source=source, destination="copy.png")
    assert job.given_up


def test_a_bucket_that_does_not_exist_is_not_tried_again(
    bucket: Any, configure: Configure, job: FakeJob
) -> None:
    configure(STORAGE_URL="s3://nowhere/out")
    with pytest.raises(FileNotFoundError, match="bucket"):
        process_image(source="cat.png", destination="copy.png")
    assert job.given_up


def test_an_object_above_the_limit_is_refused(bucket: Any, configure: Configure) -> None:
    configure(IMAGE_MAX_BYTES=len(picture()) - 1)
    with pytest.raises(FileTooLargeError):
        process_image("cat.png", "copy.png")


def test_a_process_forked_after_s3_was_used_uses_it_too(bucket: Any) -> None:
    script = (
        "import os\n"
        "from jobs.image import process_image\n"
        "process_image('cat.png', 'parent.png')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    process_image('cat.png', 'child.png')\n"
        "    os._exit(0)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "0", done.stderr
    assert bucket.exists("pictures/out/parent.png")
    assert bucket.exists("pictures/out/child.png")


def test_any_storage_that_fsspec_knows_is_written_the_same_way(
    storage: Path, configure: Configure
) -> None:
    configure(STORAGE_URL="memory://pictures", IMAGE_ROOTS=storage)
    assert process_image("cat.png", "cat.webp").url == "memory://pictures/cat.webp"
    with fsspec.open("memory://pictures/cat.webp") as file:
        assert Image.open(file).size == (40, 20)
