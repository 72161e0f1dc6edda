"""The API of the tasks of these tests."""

import pytest

from app.catalogue import Catalogue
from tests.api.bad_input.sample_tasks import draw, keep, measure, store


@pytest.fixture
def api(make_client):
    return make_client(Catalogue([draw, keep, measure, store]))
