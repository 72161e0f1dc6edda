"""What a page costs, and what it tidies on the way."""

import pytest

from app.options import JobOptions
from app.queue import keys
from app.queue.lists import candidates, listing


def test_where_few_fit_a_page_ends_before_it_is_full_and_the_list_goes_on(
    many, page, ids, monkeypatch
):
    monkeypatch.setattr(candidates, "SHORT", -1)
    monkeypatch.setattr(listing, "MOST_LOOKED_AT", 600)
    [old] = many(1, JobOptions(delay=3600))
    many(1500)

    first = page(status=("scheduled",))

    assert (first.jobs, first.next is None) == ([], False)
    assert ids(status=("scheduled",)) == [old.id]


@pytest.mark.parametrize(
    "filters", [{}, {"status": ("failed",)}, {"queue": "low"}, {"task": "send"}]
)
def test_a_page_asks_redis_as_much_with_many_jobs_as_with_few(filters, many, page, redis_client):
    def asked():
        page(**filters)  # the scripts are loaded, and what is due is swept
        before = redis_client.info("commandstats")
        page(**filters)
        after = redis_client.info("commandstats")
        return {
            name: calls
            for name, stats in after.items()
            if (calls := stats["calls"] - before.get(name, {"calls": 0})["calls"])
            and not name.startswith(("cmdstat_client", "cmdstat_hello", "cmdstat_info"))
        }

    many(200)
    few = asked()
    for _ in range(5):
        many(1000)

    assert asked() == few


def test_a_list_sweeps_the_indexes_on_the_way(many, page, redis_client):
    jobs = many(300)
    redis_client.delete(*(keys.job(job.id) for job in jobs))

    page(status=("failed",))  # meets none of them

    assert redis_client.zcard(keys.JOBS) == redis_client.zcard(keys.jobs_of_task("send")) == 0
