"""The task that sends a callback: not in the catalogue's list, and nobody can POST it.

What becomes of a try is the end of the job's attempt: where it raises, RQ retries it at the
intervals that were written with it, so that both workers keep to the schedule.
"""

import time
from datetime import datetime

from app.callback import LONGEST_TEXT, CallbackTry
from app.callbacks.post import Answer, post
from app.context import RetryLater
from app.errors import CallbackRefused, CallbackUnreachable, CallbackUnwanted, InnerAddress
from app.queue.delivery import Delivery
from app.queue.new_callback import TASK
from app.settings import Settings
from app.tasks import task
from app.webhooks import sign

LONGEST_WAIT = 86_400.0  # seconds that a receiver's Retry-After may ask for


@task(name=TASK, give_up_on=(CallbackUnwanted,), log=False)
def deliver(job: str, task: str, url: str) -> int:
    """Tell a URL how a job has ended, once; gives the status that it answered with."""
    settings = Settings.load()
    delivery = Delivery()
    body = delivery.body(job, task)
    tried = delivery.begin()
    headers = _headers(delivery.id, tried.at, body, delivery.secrets(settings))
    begun = time.monotonic()
    try:
        answer = post(url, body, headers, allow_inner=settings.callback_allow_inner)
    except (InnerAddress, CallbackUnreachable) as error:
        delivery.note(_ended(tried, begun, error=str(error)[:LONGEST_TEXT]))
        raise
    delivery.note(_ended(tried, begun, status=answer.status, answer=answer.text))
    return _judged(answer, delivery.next_delay)


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
