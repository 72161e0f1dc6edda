"""The API that a job's page and its share links are tested on: of one task, on fakeredis."""

from typing import Any

import fakeredis
import pytest
from fastapi.testclient import TestClient

from app.catalogue import Catalogue
from app.main import create_app
from app.settings import Settings
from tests.api.job_page.greeting import greet


@pytest.fixture
def catalogue() -> Catalogue:
    """The one task."""
    return Catalogue([greet])


@pytest.fixture
def server() -> fakeredis.FakeServer:
    """What stands for Redis."""
    return fakeredis.FakeServer()


@pytest.fixture
def stored(server: fakeredis.FakeServer) -> fakeredis.FakeRedis:
    """What the API keeps, for the test to change."""
    return fakeredis.FakeRedis(server=server)


@pytest.fixture
def api(
    make_client: Any, settings: Settings, catalogue: Catalogue, server: fakeredis.FakeServer
) -> TestClient:
    """A client of the API with that task."""
    client: TestClient = make_client(
        app=create_app(settings, catalogue, fakeredis.FakeAsyncRedis(server=server))
    )
    return client
