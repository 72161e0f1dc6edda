"""An answer's head and body come in one piece, from servers that let them be joined."""

import asyncio
import json

import pytest

from app.api.one_write import Gathering, send_together

START = {"type": "http.response.start"}
BODY = {"type": "http.response.body"}


class Transport:
    def __init__(self):
        self.did = []

    def write(self, data):
        self.did.append(data)

    def close(self):
        self.did.append("close")

    def is_closing(self):
        return "close" in self.did


class Cycle:
    """What uvicorn makes for each request, and how it writes."""

    def __init__(self, transport, *, fails=False):
        self.transport = transport
        self.fails = fails

    async def send(self, message):
        assert not self.transport.is_closing()
        self.transport.write(b"head " if message is START else b"body")
        if message is BODY:
            if self.fails:
                raise RuntimeError("too long")
            self.transport.close()


def test_what_is_sent_together_is_one_write_and_the_connection_closes_after_it():
    transport = Transport()
    cycle = Cycle(transport)

    asyncio.run(send_together(cycle.send, START, BODY))

    assert transport.did == [b"head body", "close"]
    assert cycle.transport is transport


def test_what_was_written_before_a_failure_is_sent():
    transport = Transport()
    cycle = Cycle(transport, fails=True)

    with pytest.raises(RuntimeError, match="too long"):
        asyncio.run(send_together(cycle.send, START, BODY))

    assert transport.did == [b"head body"]
    assert cycle.transport is transport


def test_a_server_whose_transport_is_out_of_reach_gets_one_message_after_the_other():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(send_together(send, START, BODY))

    assert sent == [START, BODY]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        (
            "POST",
            "/tasks/send_email",
            json.dumps({"to": "a@example.com", "subject": "", "body": ""}),
        ),
        ("POST", "/tasks/send_email", "{"),
        ("GET", "/", ""),
        ("GET", "/jobs/none", ""),
    ],
    ids=["enqueued", "malformed", "found", "unknown"],
)
def test_an_answer_of_uvicorn_is_one_write(serve, shipped, monkeypatch, method, path, body):
    released = []
    release = Gathering.release

    def count(gathering):
        released.append(len(gathering._written))
        release(gathering)

    monkeypatch.setattr(Gathering, "release", count)
    served = serve(shipped)
    head = served.head(
        method, path, Content_Type="application/json", Content_Length=len(body), Connection="close"
    )

    with served.connect() as connection:
        connection.sendall(head + body.encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert released == [2]  # the head and the body
    assert json.loads(answer.partition(b"\r\n\r\n")[2])
