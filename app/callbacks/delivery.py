"""The task that sends a callback: not in the catalogue's list, and nobody can POST it.

What becomes of a try is the end of the job's attempt: where it raises, RQ retries it at the
intervals that were written with it, so that both workers keep to the schedule.
"""

import logging
import time
from datetime import datetime

from app.addresses import place_of
from app.callback import LONGEST_TEXT, CallbackTry
from app.callbacks.post import Answer, post
from app.context import RetryLater
from app.errors import (
    CallbackNotTaken,
    CallbackRefused,
    CallbackUnreachable,
    CallbackUnwanted,
    InnerAddress,
)
from app.queue.delivery import Delivery
from app.queue.new_callback import TASK
from app.settings import Settings
from app.tasks import task
from app.webhooks import sign

logger = logging.getLogger("task_api.callbacks")

LONGEST_WAIT = 86_400.0  # seconds that a receiver's Retry-After may ask for


@task(name=TASK, give_up_on=(CallbackUnwanted,), log=False)
def deliver(job: str, task: str, url: str) -> int:
    """Tell a URL how a job has ended, once; gives the status that it answered with."""
    settings = Settings.load()
    delivery = Delivery(settings)
    body = delivery.body(job, task)
    tried = delivery.begin()
    try:
        answer = _sent(delivery, tried, url, body, settings)
        return _judged(answer, delivery.next_delay)
    except (CallbackNotTaken, RetryLater) as error:
        _log(error, delivery, job, url, tried)
        raise error.with_traceback(None) from None  # all that is known stands in its message


def _sent(
    delivery: Delivery, tried: CallbackTry, url: str, body: bytes, settings: Settings
) -> Answer:
    """Send the message once, and keep what came of it."""
    headers = _headers(delivery.id, tried.at, body, delivery.secrets())
    begun = time.monotonic()
    try:
        answer = post(url, body, headers, allow_inner=settings.callback_allow_inner)
    except (InnerAddress, CallbackUnreachable) as error:
        delivery.note(_ended(tried, begun, error=str(error)[:LONGEST_TEXT]))
        raise
    delivery.note(_ended(tried, begun, status=answer.status, answer=answer.text))
    return answer


def _log(
    error: CallbackNotTaken | RetryLater, delivery: Delivery, job: str, url: str, tried: CallbackTry
) -> None:
    """Say in one line what became of a try; nobody learns more from a traceback."""
    delay = delivery.next_delay
    if isinstance(error, RetryLater) and delay:
        delay = error.seconds
    is_over = not delay or isinstance(error, CallbackUnwanted)
    logger.warning(
        "callback.not_taken id=%s job=%s host=%s try=%s next=%s reason=%.300r",
        delivery.id,
        job,
        place_of(url).host,
        tried.number,
        "never" if is_over else f"{delay:.0f}s",
        str(error),  # as `repr` has it: a part may be of the receiver's making
    )


def _headers(message_id: str, at: datetime, body: bytes, secrets: list[str]) -> dict[str, str]:
    timestamp = int(at.timestamp())
    return {
        "Content-Type": "application/json",
        "User-Agent": "task-api",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(message_id, timestamp, body, secrets),
    }


def _ended(tried: CallbackTry, begun: float, **known: str | int) -> CallbackTry:
    return tried.model_copy(update={"seconds": round(time.monotonic() - begun, 3), **known})


def _judged(answer: Answer, next_delay: float) -> int:
    if answer.is_taken:
        return answer.status
    if answer.status == 410:
        raise CallbackUnwanted
    if answer.retry_after is not None and answer.status in {429, 503}:
        # Never before the schedule's own time: "at once" would use up all tries at once.
        seconds = max(next_delay, min(answer.retry_after, LONGEST_WAIT))
        raise RetryLater(seconds, f"the receiver answered {answer.status}")
    raise CallbackRefused(status=answer.status)
