"""What runs beside it: a second start, a Redis of somebody else, the doctor."""

import json

from app.local import ports
from app.local.embedded import EmbeddedRedis
from tests.acceptance.up.program import HOST, get, post, runs, wait_for_job


def test_a_second_start_in_the_folder_is_refused_with_the_first_ones_id_and_links(start):
    first = start().wait_until_ready()

    second = start()

    assert second.wait() == 1
    assert len(second.lines) == 1
    assert f"in use by process {first.process.pid} ({first.api}, redis://" in second.text
    assert get(first.api + "/health/live")


def test_a_redis_of_somebody_else_is_used_and_not_ended(start, tmp_path):
    with EmbeddedRedis(tmp_path / "elsewhere", ports.any_free(HOST)) as redis:
        up = start(REDIS_URL=redis.url).wait_until_ready()
        assert wait_for_job(up, post(up, "double", number=3))["result"] == 6
        assert up.pids("redis") == []
        assert up.end()[0] == 0

        assert runs(redis.pid)


def test_the_doctor_beside_it_finds_its_redis_by_itself(start, tmp_path, environment):
    up = start().wait_until_ready()

    doctor = start("doctor", "--json")
    doctor.wait()

    found = {each["check"]: each for each in json.loads(doctor.text)["findings"]}
    assert found["redis"]["message"] == f"{up.link('Redis')} (the `make up` that runs here) answers"
    assert found["queues-served"]["level"] == "ok"
