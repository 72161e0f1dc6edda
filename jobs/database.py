"""The database of the shipped jobs: one table of items, and sessions on it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Literal

from jobs.extra import needs_extra
from jobs.settings import job_settings

with needs_extra("jobs"):
    from sqlalchemy import DateTime, Dialect, Engine, String, create_engine
    from sqlalchemy.orm import (
        DeclarativeBase,
        Mapped,
        MappedAsDataclass,
        Session,
        mapped_column,
        sessionmaker,
    )
    from sqlalchemy.schema import CreateIndex, CreateTable
    from sqlalchemy.types import TypeDecorator

NAME_LENGTH = 200
"""Longest name of an item, in characters."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, on databases without time zones (SQLite) as on those with them."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Store the moment in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Read it back in UTC: what SQLite gives has lost its zone, not its hour."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(MappedAsDataclass, DeclarativeBase):
    """The tables of the shipped jobs."""


class Item(Base):
    """Something to process, once."""

    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    status: Mapped[Literal["pending", "processed"]] = mapped_column(default="pending")
    processed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None, index=True)


@contextmanager
def transaction() -> Iterator[Session]:
    """Open a session of its own, commit at the end of the block, roll back when it raises.

    Raises:
        sqlalchemy.exc.OperationalError: the database is away, or was locked for 5 s (SQLite).

    """
    with _sessions(job_settings().database_url, os.getpid()).begin() as session:
        yield session


def create_tables(engine: Engine) -> None:
    """Create what is missing. Two processes may do so at once, so the database is who checks."""
    with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))


@cache
def _sessions(url: str, _process: int) -> sessionmaker[Session]:
    """Make the engine, once for each process: its connections must never cross a fork.

    RQ forks for every job. A child that finds its parent's engine in this cache leaves it alone,
    as its own process id has no entry; disposing of it would end the parent's connections.
    """
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        # A server's tables are made by its owner (`create_tables`); SQLite's file is ours.
        file = engine.url.database
        if file and not file.startswith((":memory:", "file:")):
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        create_tables(engine)
    return sessionmaker(engine, expire_on_commit=False)
