"""Nothing that was refused is enqueued."""

from pydantic import SecretStr

from app.catalogue import Catalogue
from tests.api.bad_input.requests import send
from tests.api.bad_input.sample_tasks import keep


def test_nothing_that_was_refused_is_enqueued(make_client, redis_url, redis_client):
    api = make_client(Catalogue([keep]), redis_url=SecretStr(redis_url), max_body_bytes=50)

    answers = [
        send(api, "{"),
        send(api, "[]"),
        send(api, "{}"),
        send(api, '{"value":1e999}'),
        send(api, '{"value":1}', query="?queue=express"),
        send(api, '{"value":1}', query="?delay=-1"),
        send(api, b" " * 51),
        send(api, '{"value":1}', **{"Content-Type": "text/plain"}),
        send(api, '{"value":1}', "sned"),
    ]

    assert [answer.status_code for answer in answers] == [
        *(400, 422, 422, 400, 422, 422, 413, 415, 404)
    ]
    assert redis_client.keys() == []
