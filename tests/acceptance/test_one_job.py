"""One job and no more: keys that hundreds send at once, and an API that is killed meanwhile.

`KILLS` lets the API be killed more often, `KILL_SEED` repeats a run's instants.
"""

import concurrent.futures
import http.client
import json
import os
import random
import signal
import threading
import time
import uuid

import pytest

from app.local.ports import any_free
from tests.worker import sample_tasks as sample
from tests.worker.processes import Program, environment, wait_until

HOST = "127.0.0.1"
KILLS = int(os.environ.get("KILLS", "6"))
SEED = int(os.environ.get("KILL_SEED", "7"))
CALLERS = 8


class Api:
    """One process of the API, which may be killed and started again."""

    def __init__(self, folder, env):
        self._folder, self._env = folder, env
        self.port = any_free(HOST)
        self.program = None

    def start(self):
        options = ("--port", self.port, "--no-access-log", "--log-level", "warning")
        self.program = Program(self._folder, self._env, "-m", "uvicorn", "app.main:app", *options)
        wait_until(self._answers)

    def kill(self):
        self.program.send(signal.SIGKILL)
        self.program.wait()

    def post(self, path, body, **headers):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            content = {"Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), {**content, **headers})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), json.loads(answer.read())
        finally:
            connection.close()

    def _answers(self):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=1)
        try:
            connection.request("GET", "/health/live")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@pytest.fixture
def start_api(tmp_path, redis_url):
    env = environment(redis_url, TASK_API_ACTIVITY_LOG=str(tmp_path / "activity.jsonl"))
    started = []

    def start():
        started.append(Api(tmp_path, env))
        started[-1].start()
        return started[-1]

    yield start
    for api in started:
        api.program.kill()


@pytest.mark.parametrize("mode", ["first", "reject"])
def test_of_hundreds_of_posts_at_once_over_two_processes_one_is_enqueued(
    start_api, redis_client, mode
):
    apis = [start_api(), start_api()]
    query = f"?key=the%20one&key_mode={mode}"

    def post(number):
        return apis[number % 2].post(f"/tasks/add{query}", {"left": number})

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(post, range(600)))

    new = [job for status, _, job in answers if status == 202]
    assert len(new) == 1
    assert redis_client.lrange("rq:queue:default", 0, -1) == [new[0]["id"].encode()]
    assert redis_client.zcard("task-api:jobs") == 1
    others = [(status, body) for status, _, body in answers if status != 202]
    if mode == "first":
        assert {(status, body["id"]) for status, body in others} == {(200, new[0]["id"])}
        assert redis_client.hget(f"rq:job:{new[0]['id']}", "duplicates") == b"599"
    else:
        assert {(status, body["job"]) for status, body in others} == {(409, new[0]["id"])}


def test_of_many_that_replace_each_other_one_is_left(start_api, redis_client):
    apis = [start_api(), start_api()]

    def post(number):
        path = "/tasks/add?key=k&key_mode=replace"
        return apis[number % 2].post(path, {"left": number})

    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(post, range(200)))

    assert {status for status, _, _ in answers} == {202}
    assert redis_client.llen("rq:queue:default") == 1
    assert redis_client.zcard("rq:canceled:default") == 199
    assert redis_client.get("task-api:lock:add:k") == redis_client.lindex("rq:queue:default", 0)


def test_a_request_with_one_idempotency_key_is_carried_out_once(start_api, redis_client):
    apis = [start_api(), start_api()]

    def post(number):
        return apis[number % 2].post("/tasks/add", {"left": 1}, **{"Idempotency-Key": '"k"'})

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(post, range(400)))

    assert redis_client.llen("rq:queue:default") == 1
    accepted = [(headers, body) for status, headers, body in answers if status == 202]
    assert {body["id"] for _, body in accepted} == {
        redis_client.lindex("rq:queue:default", 0).decode()
    }
    assert sum("idempotent-replayed" not in headers for headers, _ in accepted) == 1
    # To a process that has the first one in flight, the others are too early.
    assert {status for status, _, _ in answers} <= {202, 409}
    assert apis[0].post("/tasks/add", {"left": 1}, **{"Idempotency-Key": "k"})[0] == 202


def test_an_api_that_is_killed_leaves_no_key_without_its_job_nor_with_two(start_api, redis_client):
    api = start_api()
    rng = random.Random(SEED)
    sent, first_answers, over = {}, {}, threading.Event()

    def call(caller):
        number = 0
        while not over.is_set():
            number += 1
            key, value = str(uuid.uuid4()), caller * 1_000_000 + number
            sent[key] = value
            try:
                first_answers[key] = add(api, key, value)
            except (OSError, http.client.HTTPException):
                over.wait(0.05)  # it is being started again

    callers = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.2, 0.7))
        api.kill()
        time.sleep(0.05)
        api.start()
    over.set()
    for caller in callers:
        caller.join()
    unanswered = set(sent) - set(first_answers)
    assert unanswered, "no request was cut off: it shows nothing"

    with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
        again = pool.map(lambda key: add(api, key, sent[key]), sent)
        answers = dict(zip(sent, again, strict=True))

    assert {status for status, _, _ in answers.values()} == {202}
    jobs = [body["id"] for _, _, body in answers.values()]
    queued = [each.decode() for each in redis_client.lrange("rq:queue:default", 0, -1)]
    assert sorted(queued) == sorted(jobs)
    assert len(set(jobs)) == len(sent)
    for key, (_, _, body) in first_answers.items():
        assert answers[key][2] == body
        assert "idempotent-replayed" in answers[key][1]
    for key, (_, _, body) in answers.items():
        assert body["args"]["left"] == sent[key]
    done = sum("idempotent-replayed" in answers[key][1] for key in unanswered)
    print(f"{len(sent)} keys, {len(unanswered)} cut off, of which {done} had been carried out")


def add(api, key, value):
    assert sample.add.name == "add"
    return api.post("/tasks/add", {"left": value}, **{"Idempotency-Key": f'"{key}"'})
