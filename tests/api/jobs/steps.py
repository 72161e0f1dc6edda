"""What a test does with a job: enqueue it, look at it, bring it to a status."""

import rq
from rq.job import Job as RQJob
from rq.job import JobStatus


def enqueue(api, task, query="", **args):
    answer = api.post(f"/tasks/{task.name}{query}", json=args)
    assert answer.status_code == 202, answer.text
    return answer.json()


def look(api, job):
    answer = api.get(f"/jobs/{job['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def set_status(redis_client, job, status):
    """Bring a job to a status as RQ does, by its own classes."""
    stored = RQJob.fetch(job["id"], redis_client)
    queue = rq.Queue(stored.origin, connection=redis_client)
    queue.remove(stored)
    if status == "started":
        with redis_client.pipeline() as pipeline:
            stored.prepare_for_execution("worker-1", pipeline)
            pipeline.execute()
    stored.set_status(JobStatus(status))
    if status == "deferred":
        queue.deferred_job_registry.add(stored)
