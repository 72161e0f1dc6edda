"""`python -m examples`: the application on port 8001, beside a running `make up`."""

import argparse
import sys

import uvicorn
from pydantic import ValidationError
from redis.exceptions import RedisError

from app.errors import TaskApiError
from app.local import ports
from app.queue.connection import connect
from app.settings import Settings
from examples.main import create_app

HOST = "127.0.0.1"
PORT = 8001
GRACE = 5  # seconds; without it, a shutdown waits for background tasks without end


class NoQueueBehind(TaskApiError):
    """Redis does not answer ({reason}); start `make up`, or set REDIS_URL to where it is."""


def main() -> None:
    """Serve until a signal comes; end with one line of error where there is no queue to write to.

    The application alone (`uvicorn --factory examples.main:create_app`) would start, and answer 503
    until Redis is there. At a terminal, that would be found out late.
    """
    parser = argparse.ArgumentParser(prog="python -m examples", description=__doc__)
    parser.add_argument("--port", type=int, help=f"default: {PORT}, or the next free one")
    wanted: int | None = parser.parse_args().port
    try:
        _find_redis(Settings())
        port = wanted or ports.first_free(HOST, PORT)
    except (TaskApiError, ValidationError) as error:
        sys.exit(f"error: {error}")
    uvicorn.run(create_app(), host=HOST, port=port, timeout_graceful_shutdown=GRACE)


def _find_redis(settings: Settings) -> None:
    try:
        with connect(settings) as client:
            client.ping()
    except RedisError as error:
        raise NoQueueBehind(reason=error) from error


if __name__ == "__main__":
    main()
