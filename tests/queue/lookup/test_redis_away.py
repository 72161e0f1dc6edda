"""A Redis that is away is told."""

import pytest

from app.errors import RedisUnavailable, UnreadableJob


@pytest.mark.parametrize("method", ["job", "remains"])
def test_a_redis_that_is_away_is_told(ask, proxy, settings, method):
    error = UnreadableJob(job_id="x", part="call", reason="x")
    args = ("x", error) if method == "remains" else ("x",)

    async def lose(service):
        await service.client.ping()
        proxy.close()
        return await getattr(service.lookup, method)(*args)

    with pytest.raises(RedisUnavailable):
        ask(lose, redis_url=type(settings.redis_url)(proxy.url))
