"""Turns on a connection that may lose answers."""

import pytest
from redis.exceptions import ConnectionError as RedisAway

from app.queue.connection import dedicated
from app.worker.hotline import Hotline
from app.worker.job import TaskJob
from app.worker.turn import Finish, Turns

LEASE = 9


class Answers:
    """A connection that may lose answers on their way back."""

    def __init__(self, connection):
        self.connection = connection
        self.lose = 0
        self.refuse = 0
        self.instead = None

    def send_packed_command(self, command):
        if self.refuse:
            self.refuse -= 1
            raise RedisAway("it was not sent")
        self.connection.send_packed_command(command)

    def read_response(self):
        answer = self.connection.read_response()
        if self.instead and isinstance(answer, list):
            action, self.instead = self.instead, None
            action()
        if self.lose:
            self.lose -= 1
            raise RedisAway("the answer was lost")
        return answer

    def disconnect(self):
        """Stay, for the next call."""


@pytest.fixture
def turns(redis_client):
    made = []

    def turns(queues=("high", "default", "low"), worker="w", patient=lambda *, with_result: True):
        answers = Answers(dedicated(redis_client))
        made.append(answers.connection)
        turn = Turns(Hotline(lambda: answers, patient), worker, list(queues), LEASE)
        turn.answers = answers
        return turn

    yield turns
    for connection in made:
        connection.disconnect()


def finish(claim, redis_client, value=42):
    job = TaskJob.lazily(claim.job_id, claim.fields, redis_client)
    return Finish(claim, job, value, 500, 0.1)


def send(turn, ended, running):
    call = turn.prepare(ended, None, claim=True, running=running)
    turn.send(call)
    return call
