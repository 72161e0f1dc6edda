"""Fetch one file over HTTP, from allowed hosts only, and never more of it than a limit."""

from jobs.extra import needs_extra
from jobs.outbound import OutboundTransport, check_host
from jobs.settings import job_settings
from jobs.storage import FileTooLargeError

with needs_extra("jobs"):
    import httpx

PASSING = {408, 425, 429}
"""Client errors that pass by themselves: timeout, too early, too many requests."""


class DownloadRefusedError(Exception):
    """The URL is no address of a file, or its host says that there is none; retrying is no use."""


def download(url: str, max_bytes: int, setting: str) -> bytes:
    """Fetch an http or https URL, following up to five redirects.

    Each host on the way is checked. The bytes are taken as they come, never decompressed, so that
    the limit counts what memory holds.

    Raises:
        HostNotAllowedError, InnerAddressError: see `jobs.outbound`; TASK_API_IMAGE_HOSTS.
        DownloadRefusedError: it is no URL, redirects in a circle, or answers 404 or the like.
        FileTooLargeError: it sends more than `max_bytes`. The message names `setting`.
        httpx.HTTPError: the server failed; trying again may help.

    """
    try:
        return _fetch(url, max_bytes, setting)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
        raise DownloadRefusedError(f"{url}: {error}") from error


def _fetch(url: str, max_bytes: int, setting: str) -> bytes:
    transport = OutboundTransport(allow_inner=job_settings().allow_inner_addresses)
    with (
        httpx.Client(
            transport=transport,
            follow_redirects=True,
            max_redirects=5,
            timeout=10,
            headers={"Accept-Encoding": "identity"},
            event_hooks={"request": [_check]},  # called before each redirect, too
        ) as client,
        client.stream("GET", url) as response,
    ):
        if response.is_client_error and response.status_code not in PASSING:
            raise DownloadRefusedError(f"{response.url} answers {response.status_code}.")
        response.raise_for_status()
        data = bytearray()
        for chunk in response.iter_raw(64 * 1024):
            data += chunk
            if len(data) > max_bytes:
                raise FileTooLargeError(f"{url} sends over {max_bytes} bytes. Raise {setting}.")
        return bytes(data)


def _check(request: httpx.Request) -> None:
    if not request.url.host:
        raise DownloadRefusedError(f"{request.url} names no host.")
    check_host(request.url.host, job_settings().image_hosts, "TASK_API_IMAGE_HOSTS")
