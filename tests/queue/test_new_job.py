"""A call made ready to be written: its id, its fields, its commands."""

from datetime import UTC, datetime, timedelta

import pytest

from app.errors import InvalidOptions, RedisUnavailable
from app.options import DEFAULT_OPTIONS, JobOptions
from app.queue.job_commands import join
from app.queue.links import links_of
from app.queue.new_job import prepare
from app.settings import Settings
from app.tasks import task


@task(queue="high", timeout=30, retries=2, backoff=60, result_ttl=5)
def send(to: str) -> None: ...


@task
def plain() -> None: ...


SETTINGS = Settings()


def prepared(options=DEFAULT_OPTIONS, chosen=send, settings=SETTINGS):
    return prepare(chosen, {"to": "ada"}, options, settings)


def job_of(new):
    [job] = new.jobs
    return job


def command(new, name):
    [found] = [found for found in new.commands if found[0] == name and "task-api:" not in found[1]]
    return found


def fields_of(new):
    _, key, *parts = command(new, "HSET")
    assert key == f"rq:job:{job_of(new).id}"
    return dict(zip(parts[::2], parts[1::2], strict=True))


# Options.


def test_a_job_without_options_has_its_tasks():
    new = prepared()
    fields = fields_of(new)

    assert (job_of(new).queue, job_of(new).status, job_of(new).max_attempts) == (
        "high",
        "queued",
        3,
    )
    assert (fields["origin"], fields["timeout"], fields["result_ttl"]) == ("high", 30, 5)
    assert fields["failure_ttl"] == SETTINGS.failure_ttl
    assert fields["retries_left"] == 2
    assert fields["retry_intervals"].count(",") == 1


def test_a_jobs_own_options_go_before_its_tasks():
    new = prepared(JobOptions(queue="low", timeout=7, retries=0, result_ttl=0))
    fields = fields_of(new)

    assert (job_of(new).queue, job_of(new).max_attempts) == ("low", 1)
    assert (fields["origin"], fields["timeout"], fields["result_ttl"]) == ("low", 7, 0)
    assert "retries_left" not in fields


def test_a_result_is_kept_for_as_long_as_the_service_says_where_nobody_says_otherwise():
    settings = Settings(result_ttl=77)

    assert fields_of(prepared(chosen=plain, settings=settings))["result_ttl"] == 77


def test_an_unknown_queue_is_refused_with_its_place():
    with pytest.raises(InvalidOptions) as refused:
        prepared(JobOptions(queue="fast"))

    [problem] = refused.value.facts["errors"]
    assert problem["loc"] == ["query", "queue"]
    assert "'fast' is no queue of this service; it has high, default, low" in problem["message"]


def test_a_description_holds_no_arguments():
    assert fields_of(prepared())["description"] == "send"


def test_the_function_is_its_dotted_path():
    assert send.path == f"{__name__}.send"


# Times.


def test_a_job_that_is_due_is_pushed_behind_the_others():
    new = prepared()

    assert command(new, "RPUSH") == ("RPUSH", "rq:queue:high", job_of(new).id)
    assert command(new, "SADD") == ("SADD", "rq:queues", "rq:queue:high")
    assert job_of(new).enqueued_at == job_of(new).created_at
    assert job_of(new).run_at is None


def test_a_job_for_the_front_is_pushed_before_the_others():
    new = prepared(JobOptions(front=True))

    assert command(new, "LPUSH") == ("LPUSH", "rq:queue:high", job_of(new).id)
    assert new.confirmed([0, 14, 4])[0].position == 0


@pytest.mark.parametrize("front", [False, True])
def test_a_delayed_job_is_scheduled_for_the_second_after(front):
    new = prepared(JobOptions(delay=90.5, front=front))

    _, key, due, job_id = command(new, "ZADD")
    assert (key, job_id) == ("rq:scheduled:high", job_of(new).id)
    late = job_of(new).run_at - (job_of(new).created_at + timedelta(seconds=90.5))
    assert timedelta(0) <= late < timedelta(seconds=1)
    assert (due, type(due)) == (job_of(new).run_at.timestamp(), int)
    assert (job_of(new).status, job_of(new).enqueued_at, job_of(new).position) == (
        "scheduled",
        None,
        None,
    )
    assert "enqueued_at" not in fields_of(new)


def test_a_job_may_be_scheduled_for_a_time_in_any_zone():
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    zoned = at.astimezone(datetime.fromisoformat("2030-01-01T00:00:00+05:30").tzinfo)

    new = prepared(JobOptions(run_at=zoned))

    assert command(new, "ZADD")[2] == at.timestamp()
    assert job_of(new).run_at == at


@pytest.mark.parametrize(
    "options",
    [
        JobOptions(delay=0),
        JobOptions(run_at=datetime(2001, 1, 1, tzinfo=UTC)),
        JobOptions(run_at=datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_that_has_passed_means_now(options):
    new = prepared(options)

    assert (job_of(new).status, job_of(new).run_at) == ("queued", None)
    assert command(new, "RPUSH")


# Redis' answer.


def test_a_confirmed_job_has_its_place_in_the_queue():
    for options, position in (
        (JobOptions(), 3),
        (JobOptions(front=True), 0),
        (JobOptions(delay=9), None),
    ):
        [job] = prepared(options).confirmed([0, 14, 4])
        assert job.position == position


def test_a_job_that_redis_did_not_take_whole_is_not_confirmed():
    with pytest.raises(RedisUnavailable, match="wrong kind"):
        prepared().confirmed([0, 14, ValueError("wrong kind")])


@pytest.mark.parametrize("dashboard", [True, False])
def test_links_are_paths_on_the_service(dashboard):
    links = links_of("an-id", Settings(dashboard=dashboard))

    assert (links.self, links.result) == ("/jobs/an-id", "/jobs/an-id/result")
    assert (links.dashboard is not None) == dashboard


def test_links_begin_with_the_path_that_a_proxy_shows_the_service_under():
    links = links_of("an-id", Settings(root_path="/tasks-api"))

    assert links.dashboard == "/tasks-api/dashboard/0/view/job/an-id"
    named = {name: each for name, each in links if name not in {"self", "dashboard"}}
    assert (links.self, len(named)) == ("/tasks-api/jobs/an-id", 5)
    assert all(each == f"{links.self}/{name}" for name, each in named.items())


# Many.


def test_jobs_are_joined_into_one_write_in_their_order():
    news = [prepared() for _ in range(3)]
    ids = [job_of(new).id for new in news]

    joined = join(news)

    assert [job.id for job in joined.jobs] == ids
    names = [found[0] for found in joined.commands]
    assert names == ["SADD", *["HSET"] * 3, *["ZADD"] * 2, *["XADD"] * 3, "RPUSH"]
    assert command(joined, "RPUSH") == ("RPUSH", "rq:queue:high", *ids)
    assert joined.undo == (
        ("DEL", *(f"rq:job:{job_id}" for job_id in ids)),
        *(("LREM", "rq:queue:high", -1, job_id) for job_id in ids),
        ("ZREM", "task-api:jobs", *ids),
        ("ZREM", "task-api:jobs:task:send", *ids),
    )
    assert [job.position for job in joined.confirmed([0, 14, 14, 14, 8])] == [5, 6, 7]


def test_jobs_for_the_front_are_pushed_the_last_one_first():
    news = [prepared(JobOptions(front=True)) for _ in range(3)]
    ids = [job_of(new).id for new in news]

    joined = join(news)

    assert command(joined, "LPUSH") == ("LPUSH", "rq:queue:high", *reversed(ids))
    assert [job.position for job in joined.confirmed([0, 14, 14, 14, 8])] == [0, 1, 2]


def test_scheduled_jobs_are_joined_with_their_times():
    news = [prepared(JobOptions(delay=60)) for _ in range(2)]

    _, _, first_due, first, second_due, second = command(join(news), "ZADD")

    assert [first, second] == [job_of(new).id for new in news]
    assert isinstance(first_due, int)
    assert isinstance(second_due, int)


# What lists and watchers find.


def test_a_job_is_listed_by_its_task_and_its_labels():
    new = prepared(JobOptions(label=("nightly", "für ada")))
    job_id = job_of(new).id

    assert [found for found in new.commands if found[0] == "ZADD"] == [
        ("ZADD", "task-api:jobs", 0, job_id),
        ("ZADD", "task-api:jobs:task:send", 0, job_id),
        ("ZADD", "task-api:jobs:label:nightly", 0, job_id),
        ("ZADD", "task-api:jobs:label:für ada", 0, job_id),
        (
            *("ZADD", "task-api:indexes", "NX"),
            *(0, "task-api:jobs:label:nightly", 0, "task-api:jobs:label:für ada"),
        ),
    ]
    assert fields_of(new)["labels"] == '["nightly", "f\\u00fcr ada"]'


@pytest.mark.parametrize(
    ("options", "status"), [(JobOptions(), "queued"), (JobOptions(delay=9), "scheduled")]
)
def test_a_new_job_is_an_event(options, status):
    new = prepared(options)

    [event] = [found for found in new.commands if found[0] == "XADD"]

    assert event[1:6] == ("task-api:events", "MAXLEN", "~", 100_000, "*")
    assert event[6:] == (
        *("job", job_of(new).id, "status", status),
        *("task", "send", "queue", "high"),
    )
