"""The dashboard while Redis is away, or hangs."""

import asyncio

import httpx
from pydantic import SecretStr

from app.local.embedded import EmbeddedRedis
from app.local.ports import any_free
from app.main import create_app


def test_without_redis_it_answers_503_and_recovers_by_itself(make_dashboard, tmp_path):
    port = any_free("127.0.0.1")
    dashboard = make_dashboard(f"redis://127.0.0.1:{port}/0")

    pages = [dashboard.get(page) for page in dashboard.pages]
    data = dashboard.get("/0/data/queues.json")
    button = dashboard.post("/requeue/default")

    assert {page.status_code for page in pages} == {503}
    assert all('<meta http-equiv="refresh"' in page.text for page in pages)
    assert all(page.headers["retry-after"] == "1" for page in pages)
    for answer in (data, button):
        assert answer.status_code == 503
        assert answer.json()["type"] == "/problems/redis-unavailable"
    with EmbeddedRedis(tmp_path, port=port):
        assert {dashboard.get(page).status_code for page in dashboard.pages} == {200}


def test_a_redis_that_hangs_holds_neither_the_dashboard_nor_the_service(
    settings, redis_url, idle_worker, hanging, shipped
):
    idle_worker()
    chosen = settings.model_copy(update={"redis_url": SecretStr(redis_url)})
    app = create_app(chosen, shipped)

    pages = ["/", "/0/view/workers", "/0/data/workers.json"]

    async def look():
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
        ):
            # RQ's own class for workers makes each new connection of ours wait for 415 s.
            assert (await client.get("/dashboard/0/data/workers.json")).status_code == 200
            with hanging():
                slow = asyncio.gather(*(client.get(f"/dashboard{page}") for page in pages))
                await asyncio.sleep(0.05)
                assert (await client.get("/")).status_code == 200
                assert not slow.done()
                return [answer.status_code for answer in await asyncio.wait_for(slow, 30)]

    assert asyncio.run(look()) == [503, 503, 503]
