"""The receiver of docs/callbacks.md, run as it stands there."""

import http.client
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.local.ports import any_free
from app.webhooks import new_secret, sign

PAGE = Path(__file__).parents[2] / "docs" / "callbacks.md"
SECRET = new_secret()
BODY = b'{"type":"job.finished","data":{"id":"j1","result":7,"error":null}}'


@pytest.fixture
def receiver(tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    [program] = [block for block in blocks if "serve_forever" in block]
    port = any_free("127.0.0.1")
    (tmp_path / "receiver.py").write_text(program.replace("9000", str(port)))
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "receiver.py"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(PAGE.parents[1]), "WEBHOOK_SECRETS": SECRET},
            stdout=out,
            stderr=subprocess.DEVNULL,
        )
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield port, tmp_path / "out"
    process.terminate()
    process.wait(10)


def send(port, body, *, signed=BODY):
    now = int(time.time())
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(
        "POST",
        "/",
        body,
        {
            "webhook-id": "m1",
            "webhook-timestamp": str(now),
            "webhook-signature": sign("m1", now, signed, SECRET),
        },
    )
    status = connection.getresponse().status
    connection.close()
    return status


def test_it_takes_what_is_signed_once_and_refuses_what_is_not(receiver):
    port, out = receiver

    assert send(port, BODY) == 204
    assert send(port, BODY) == 204
    assert send(port, BODY.replace(b"7", b"8")) == 400

    assert out.read_text() == "job.finished j1 7 None\n"
