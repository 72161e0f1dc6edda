"""The `make up` that runs in this folder, as a command beside it finds its Redis."""

from pydantic import SecretStr

from app.local.embedded import EmbeddedRedis
from app.settings import Settings


def beside_make_up(settings: Settings) -> Settings:
    """Give the settings with the Redis of the `make up` that runs here as `REDIS_URL`.

    A setting goes before it. Where there is neither, the settings stay as they are.
    """
    if settings.redis_url is not None:
        return settings
    links = EmbeddedRedis(settings.data_dir).lock.links()
    url = next((SecretStr(link) for link in links if link.startswith("redis://")), None)
    return settings.model_copy(update={"redis_url": url})
