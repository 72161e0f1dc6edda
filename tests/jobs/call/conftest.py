"""A service that may be called."""

import threading
from collections.abc import Iterator

import pytest

from tests.jobs.call.service import Service, answer
from tests.jobs.conftest import Configure


@pytest.fixture
def service(configure: Configure) -> Iterator[Service]:
    with Service() as server:
        server.answers = [answer(200, b'{"ok": true}', Content_Type="application/json")]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        configure(CALL_API_HOSTS="*", ALLOW_INNER_ADDRESSES="true")
        yield server
        server.shutdown()
        thread.join()
