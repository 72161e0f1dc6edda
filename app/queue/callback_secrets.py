"""What callbacks are signed with: the setting's secrets, else one that is made once."""

import redis

from app.errors import RedisUnavailable
from app.queue import keys
from app.settings import Settings
from app.webhooks import new_secret


def callback_secrets(settings: Settings, client: redis.Redis) -> list[str]:
    """Give the secrets, each of which signs.

    Without a setting, the first to ask makes one and keeps it in Redis, where whoever can read it
    could as well enqueue a callback of their own.

    Raises:
        RedisUnavailable: it is asked for, and does not answer.
    """
    if settings.callback_secrets:
        return [secret.get_secret_value() for secret in settings.callback_secrets]
    try:
        client.set(keys.CALLBACK_SECRET, new_secret(), nx=True)
        kept = client.get(keys.CALLBACK_SECRET)
    except redis.RedisError as error:
        raise RedisUnavailable(reason=error) from error
    assert isinstance(kept, bytes)
    return [kept.decode()]
