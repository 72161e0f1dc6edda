"""Who listens, to one job or to all that fit a filter, and how far they have been told."""

from collections.abc import Sequence
from typing import Any

from app.queue.event import START, Event, Filter, Position, job_of, position_of, read_event
from app.queue.watching.subscription import Subscription


class Watched:
    """A job that somebody watches: who does, and the last that they have been told of it."""

    def __init__(self) -> None:
        self.listeners: set[Subscription] = set()
        self._status: str | None = None
        self._as_of: Position | None = None  # None where nothing is known yet
        self._looked: str | None = None  # the status that the last look has told

    def know(self, status: str | None, newest: Position) -> None:
        """Note a status, and the newest event at that time; an older one than is known is none."""
        if self._as_of is None or newest >= self._as_of:
            self._status, self._as_of = status, newest

    def differs(self, status: str | None, newest: Position) -> bool:
        """Say whether a status that was seen is news to the listeners."""
        return self._as_of is not None and newest >= self._as_of and status != self._status

    def hand(self, event: Event) -> None:
        """Give an event to each of the listeners, unless they have it from a look already.

        A stock worker begins a job some time before its process notes that.
        """
        if event.status is not None and event.position is not None:
            self.know(event.status, event.position)
            looked, self._looked = self._looked, None
            if looked == event.status:
                return
        elif event.position is None:
            self._looked = event.status
        for listener in self.listeners:
            listener.hand(event)


class Listeners:
    """All who listen in this process."""

    def __init__(self) -> None:
        self.jobs: dict[bytes, Watched] = {}
        self.filters: dict[Filter, set[Subscription]] = {}
        self.position = START  # of the last entry that was handed out

    def __bool__(self) -> bool:
        return bool(self.jobs or self.filters)

    def add_to_job(self, key: bytes, subscription: Subscription) -> None:
        """Let somebody watch a job."""
        self.jobs.setdefault(key, Watched()).listeners.add(subscription)

    def drop_from_job(self, key: bytes, subscription: Subscription) -> None:
        """Take somebody off who has watched a job."""
        listeners = self.jobs[key].listeners
        listeners.discard(subscription)
        if not listeners:
            del self.jobs[key]

    def add_to_filter(self, wanted: Filter, subscription: Subscription) -> None:
        """Let somebody have all events that fit. Equal filters are looked at once."""
        self.filters.setdefault(wanted, set()).add(subscription)

    def drop_from_filter(self, wanted: Filter, subscription: Subscription) -> None:
        """Take somebody off who has had these events."""
        listeners = self.filters[wanted]
        listeners.discard(subscription)
        if not listeners:
            del self.filters[wanted]

    def hand_out(self, entries: Sequence[Any]) -> None:
        """Give entries of the stream to those who listen for them; the others are not even read."""
        jobs, filters = self.jobs, self.filters
        for entry_id, fields in entries:
            watched = jobs.get(job_of(fields))
            if watched is None and not filters:
                continue
            event = read_event(entry_id, fields)
            if watched is not None:
                watched.hand(event)
            for wanted, listeners in filters.items():
                if wanted.fits(event):
                    for listener in listeners:
                        listener.hand(event)
        if entries:
            self.position = position_of(entries[-1][0].decode())

    def end_all(self) -> None:
        """End all of them; they are given nothing more."""
        for watched in self.jobs.values():
            for listener in watched.listeners:
                listener.end()
        for listeners in self.filters.values():
            for listener in listeners:
                listener.end()
