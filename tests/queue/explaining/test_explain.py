"""Whatever else stands there, or does not: each is said, or refused."""

import pytest
from rq.job import Job as RQJob

from app.errors import RedisUnavailable, UnknownJob
from app.options import JobOptions
from app.queue import keys
from app.queue.explaining.explain import Explainer
from tests.queue import tasks_for_tests as mine
from tests.queue.explaining.conftest import TASKS


def test_a_status_of_a_newer_rq_is_passed_on(explain, enqueue, redis_client):
    job = enqueue(mine.send, to="ada")
    redis_client.hset(keys.job(job.id), "status", "paused")

    assert explain(job.id).summary == "Its status is 'paused', which this service does not know."


def test_a_job_that_was_never_enqueued_is_said_so(explain, redis_client):
    job = RQJob.create(f"{TASKS}.send", connection=redis_client, origin="default")
    job.save()

    assert explain(job.id).summary == "It was made by a plain RQ client and never enqueued."


def test_a_job_that_goes_on_meanwhile_is_looked_at_again(ask, enqueue, redis_client):
    job = enqueue(mine.send, to="ada")

    async def question(service):
        class Late:
            _settings = service.lookup._settings

            async def job(self, job_id):
                found = await service.lookup.job(job_id)
                if found.status == "queued":
                    redis_client.hset(keys.job(job_id), "status", "canceled")
                return found

        explainer = Explainer(service.client, Late(), service.fleet, service.lookup._settings)
        return await explainer.explain(job.id)

    assert ask(question).status == "canceled"


def test_an_unknown_job_is_refused(explain):
    with pytest.raises(UnknownJob):
        explain("nothing")


def test_a_key_of_another_type_is_redis_trouble(explain, enqueue, redis_client):
    job = enqueue(mine.send, JobOptions(delay=60), to="ada")
    redis_client.set(keys.queue("default"), "no list")

    with pytest.raises(RedisUnavailable):
        explain(job.id)


def test_redis_away_is_said_so(explain, proxy, enqueue, settings):
    job = enqueue(mine.send, to="ada")
    proxy.close()
    away = type(settings)(redis_url=proxy.url).redis_url

    with pytest.raises(RedisUnavailable):
        explain(job.id, redis_url=away)
