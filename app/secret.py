"""`python -m app secret`: what a receiver of callbacks verifies them with."""

from app.queue.callback_secrets import callback_secrets
from app.queue.connection import connect
from app.settings import Settings


def secrets_here(settings: Settings) -> list[str]:
    """Give the secrets that callbacks are signed with; the first call may make one.

    Raises:
        RedisUnavailable: no setting has one, and Redis, which keeps it, is away.
    """
    with connect(settings) as client:
        return callback_secrets(settings, client)
