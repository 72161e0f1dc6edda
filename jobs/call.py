"""Call the HTTP API of an outer service."""

import asyncio
import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, JsonValue, TypeAdapter
from pydantic_core import from_json

from app.context import job_id
from app.tasks import task
from jobs.extra import needs_extra
from jobs.outbound import (
    AsyncOutboundTransport,
    HostNotAllowedError,
    InnerAddressError,
    check_host,
)
from jobs.settings import job_settings

with needs_extra("jobs"):
    import httpx

TRIES = 3  # within one attempt of the job
PATIENCE = 45  # seconds that all tries and the pauses between them may take
FIRST_PAUSE = 1.0  # seconds at most, where the service names none; twice that the next time
LONGEST_TRY = 30  # seconds

OURS = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive",
    "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
"""Headers that name the host or frame the message: not for the caller to set."""

KEPT = (
    "content-type", "date", "etag", "last-modified", "link", "location", "retry-after",
    "x-request-id",
)  # fmt: skip
"""Headers of the answer that the result keeps: no Set-Cookie, as whoever reads jobs reads these."""

FINITE_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue, config=ConfigDict(allow_inf_nan=False))

Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")]
HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=8000)]
Seconds = Annotated[float, Field(gt=0, le=LONGEST_TRY)]


class HeaderNotAllowedError(Exception):
    """The caller set a header that is not the caller's to set."""


class UnusableAnswerError(Exception):
    """The answer is too large, or compressed though that was not asked for."""


class ServiceFailedError(Exception):
    """The service answered 429 or 5xx to the last."""


class ApiAnswer(BaseModel):
    """What the service answered."""

    status: int
    headers: dict[str, str]
    body: JsonValue = Field(description="JSON where it is JSON, else text; null for other bytes.")
    size: int = Field(description="Bytes of the body.")


@task(
    timeout=60,
    retries=3,
    give_up_on=(HostNotAllowedError, InnerAddressError, HeaderNotAllowedError, UnusableAnswerError),
)
async def call_api(
    method: Method,
    url: HttpUrl,
    headers: dict[HeaderName, HeaderValue] | None = None,
    json: JsonValue = None,
    timeout: Seconds = 10,  # noqa: ASYNC109  an argument of the task, for each try in it
) -> ApiAnswer:
    """Send one HTTP request to an outer service, and keep its answer.

    The host must be one of TASK_API_CALL_API_HOSTS and have public addresses only. Redirects are
    not followed: they are answers, and so is 4xx. After 429 or 5xx the request is sent again, up
    to three times in all, when Retry-After says so; what fails still is left to the job's retries.
    POST and PATCH carry the job's id as Idempotency-Key, so that the service can recognise a
    request that it has had. `timeout` is in seconds, for each request with its whole answer.
    """
    settings = job_settings()
    target = httpx.URL(str(url))
    check_host(target.host, settings.call_api_hosts, "TASK_API_CALL_API_HOSTS")
    async with httpx.AsyncClient(
        transport=AsyncOutboundTransport(allow_inner=settings.allow_inner_addresses),
        trust_env=False,  # no proxy: it would resolve the name again
        timeout=None,  # noqa: S113  _answer() limits the whole, not each read
    ) as client:
        request = client.build_request(method, target, headers=_headers(method, headers), json=json)
        ends = time.monotonic() + PATIENCE
        for pauses in range(TRIES):
            answer = await _answer(client, request, timeout, settings.call_api_max_bytes)
            if not _failed(answer.status):
                return answer
            pause = _pause(answer.headers.get("retry-after", ""), pauses)
            if pauses + 1 == TRIES or time.monotonic() + pause + timeout > ends:
                break
            await asyncio.sleep(pause)
    raise ServiceFailedError(f"{target.host} answered {answer.status} to {method}")


def _failed(status: int) -> bool:
    return status == 429 or status >= 500


def _headers(method: Method, given: dict[str, str] | None) -> dict[str, str]:
    headers = {name.lower(): value for name, value in (given or {}).items()}
    if refused := OURS & headers.keys():
        raise HeaderNotAllowedError(f"Leave these headers out: {', '.join(sorted(refused))}")
    headers["accept-encoding"] = "identity"  # what is small on the wire may be huge unpacked
    if method in ("POST", "PATCH") and (job := job_id()):
        headers.setdefault("idempotency-key", job)
    return headers


async def _answer(
    client: httpx.AsyncClient, request: httpx.Request, seconds: float, max_bytes: int
) -> ApiAnswer:
    try:
        async with asyncio.timeout(seconds):
            response = await client.send(request, stream=True)
            try:
                body = b"" if _failed(response.status_code) else await _body(response, max_bytes)
            finally:
                await response.aclose()
    except TimeoutError as error:
        raise TimeoutError(f"{request.url.host} did not answer within {seconds} s") from error
    return ApiAnswer(
        status=response.status_code,
        headers={name: response.headers[name] for name in KEPT if name in response.headers},
        body=_value(body, response.charset_encoding),
        size=len(body),
    )


async def _body(response: httpx.Response, max_bytes: int) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnusableAnswerError("The answer is compressed, though that was not asked for.")
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > max_bytes:
            raise UnusableAnswerError(
                f"The answer is larger than {max_bytes} bytes. TASK_API_CALL_API_MAX_BYTES "
                "allows more."
            )
    return bytes(body)


def _value(body: bytes, charset: str | None) -> JsonValue:
    try:
        return FINITE_JSON.validate_python(from_json(body, allow_inf_nan=False))
    except ValueError:
        pass
    try:
        return body.decode(charset or "utf-8") or None
    except (UnicodeDecodeError, LookupError):
        return None


def _pause(retry_after: str, earlier: int) -> float:
    """Give the seconds to wait: what Retry-After says (RFC 9110 10.2.3), else a random time."""
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return random.uniform(0, FIRST_PAUSE * 2**earlier)  # noqa: S311  spreads load, no secret
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
