"""Update a database record in a worker, in a session that the job opens itself."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, validate_call

from app.tasks import task
from jobs.database import NAME_LENGTH, Item, transaction
from jobs.extra import needs_extra

with needs_extra("jobs"):
    from sqlalchemy import update

ItemId = Annotated[
    int, Field(ge=1, le=2**31 - 1, description="As `add_item` gave it.", examples=[1])
]


class ProcessedItem(BaseModel):
    """An item after its processing."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    status: Literal["pending", "processed"]
    processed_at: datetime = Field(description="When it was processed first, in UTC.")


class ItemNotFoundError(LookupError):
    """No item has this id: make one with `jobs.items.add_item`, or check TASK_API_DATABASE_URL."""

    def __init__(self, item_id: int) -> None:
        super().__init__(f"No item {item_id}. {self.__doc__}")


@validate_call
def add_item(name: Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]) -> int:
    """Store a pending item and give its id, for `process_item`."""
    with transaction() as session:
        item = Item(name=name)
        session.add(item)
        session.flush()
        return item.id


@task(timeout=30, retries=3, backoff=2, give_up_on=(ItemNotFoundError,))
def process_item(item_id: ItemId) -> ProcessedItem:
    """Mark a database item as processed.

    A job is delivered at least once, so running it twice leaves what running it once does: the
    condition stands in the UPDATE itself, and the time of the first processing stays. A locked
    database is tried again; an item that does not exist is not.
    """
    with transaction() as session:
        session.execute(
            update(Item)
            .where(Item.id == item_id, Item.status == "pending")
            .values(status="processed", processed_at=datetime.now(UTC))
        )
        item = session.get(Item, item_id)
        if item is None:
            raise ItemNotFoundError(item_id)
        return ProcessedItem.model_validate(item)
