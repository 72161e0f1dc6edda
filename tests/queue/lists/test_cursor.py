"""Cursors: what comes back is what went out, and nothing else is taken for one."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InvalidCursor
from app.job_list import LONGEST_CURSOR, JobQuery
from app.queue.job_id import new_job_id
from app.queue.lists.candidates import place_at
from app.queue.lists.cursor import cursor_at, place_of

STATUSES = ["queued", "failed", "finished"]

places = st.one_of(
    st.builds(new_job_id),
    st.from_regex(r"[A-Za-z0-9_-]{1,150}", fullmatch=True).map(
        lambda job_id: place_at(job_id, b"2026-11-20T12:00:00.5Z")
    ),
)
queries = st.builds(
    JobQuery,
    status=st.lists(st.sampled_from(STATUSES), max_size=3).map(tuple),
    queue=st.none() | st.just("low"),
    task=st.none() | st.just("send"),
    label=st.lists(st.sampled_from(["a", "b", "ä"]), max_size=2).map(tuple),
)


@settings(deadline=None)
@given(places, queries)
def test_a_cursor_gives_back_the_place_that_it_was_made_of(place, query):
    cursor = cursor_at(place, query)

    assert len(cursor) <= LONGEST_CURSOR
    assert place_of(query.model_copy(update={"cursor": cursor})) == place


@settings(deadline=None)
@given(places, queries, queries)
def test_a_cursor_is_taken_with_the_filters_that_it_was_made_for_alone(place, query, other):
    def meaning(query):
        return set(query.status), query.queue, query.task, set(query.label)

    followed = other.model_copy(update={"cursor": cursor_at(place, query)})

    if meaning(query) == meaning(other):
        assert place_of(followed) == place
    else:
        with pytest.raises(InvalidCursor, match="the filters are others"):
            place_of(followed)


@settings(deadline=None)
@given(st.text(max_size=LONGEST_CURSOR) | st.binary(max_size=200).map(urlsafe_b64encode))
def test_whatever_else_is_sent_is_refused_by_name(text):
    cursor = text if isinstance(text, str) else text.rstrip(b"=").decode()

    with pytest.raises(InvalidCursor):
        place_of(JobQuery().model_copy(update={"cursor": cursor}))


def test_the_limit_may_change_from_page_to_page():
    cursor = cursor_at("place", JobQuery(limit=3))

    assert place_of(JobQuery(limit=50, cursor=cursor)) == "place"


def test_a_cursor_of_another_version_is_refused():
    cursor = cursor_at("place", JobQuery())
    raw = b"\x02" + urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[1:]

    with pytest.raises(InvalidCursor, match="malformed"):
        place_of(JobQuery(cursor=urlsafe_b64encode(raw).rstrip(b"=").decode()))


def test_without_a_cursor_a_list_begins_with_the_newest():
    assert place_of(JobQuery()) is None
