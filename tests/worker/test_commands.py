"""What a worker hears over Redis, and whether it still hears."""

import select

import pytest
import redis
from redis.exceptions import RedisError

from app.worker.commands import Commands


@pytest.fixture
def commands(redis_client):
    commands = Commands(redis_client, "w")
    yield commands
    commands.close()


def heard(commands):
    """Wait for what comes next, and read it."""
    assert select.select([commands], [], [], 5)[0]
    return commands.read()


def test_it_hears_what_is_said_to_its_worker_and_passes_over_what_is_no_json(
    commands, redis_client
):
    assert heard(commands) == []  # that it listens

    for said in ('{"command": "shutdown"}', "{", '{"command": "kill-horse"}'):
        redis_client.publish("rq:pubsub:w", said)
    redis_client.publish("rq:pubsub:another", '{"command": "shutdown"}')

    found = []
    while len(found) < 2:
        found += heard(commands)
    assert found == [{"command": "shutdown"}, {"command": "kill-horse"}]


def test_a_connection_that_answers_goes_on(commands, redis_client):
    assert heard(commands) == []

    for _ in range(3):
        commands.ping()
        assert heard(commands) == []

    redis_client.publish("rq:pubsub:w", "1")
    assert heard(commands) == [1]


def test_a_connection_that_answers_no_more_is_given_up(commands, redis_client, redis_url):
    assert heard(commands) == []
    with redis.Redis.from_url(redis_url) as other:
        other.client_pause(300, all=True)

    commands.ping()
    assert commands.read() == []

    with pytest.raises(RedisError, match="died"):
        commands.ping()
