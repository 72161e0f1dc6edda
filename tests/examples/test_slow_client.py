"""A client that reads slowly, or leaves."""

import redis

from .evidence import Notes, settle, waiting_jobs
from .processes import Server, read_all, wait_until

BODY = 32_000_000  # bytes


def test_behind_a_stream_a_background_task_waits_for_the_client_and_a_job_does_not(
    server: Server, redis_client: redis.Redis, server_notes: Notes
) -> None:
    with server.send("/stream/streamed") as client:
        wait_until(lambda: waiting_jobs(redis_client) == ["streamed"])
        settle(server, server_notes)
        assert server_notes.of("streamed") == []

        assert read_all(client) > BODY

    server_notes.wait_for("streamed", "ran in the background")


def test_behind_a_whole_body_a_background_task_waits_for_no_client(
    server: Server, server_notes: Notes
) -> None:
    with server.send("/whole/at-once"):
        server_notes.wait_for("at-once", "ran in the background")


def test_a_background_task_and_a_job_are_run_for_a_client_that_has_gone_away(
    server: Server, redis_client: redis.Redis, server_notes: Notes
) -> None:
    with server.send("/stream/gone") as client:
        client.recv(1)

    server_notes.wait_for("gone", "ran in the background")
    assert waiting_jobs(redis_client) == ["gone"]
