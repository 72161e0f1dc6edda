"""`POST /items/{item_id}/process`: work on a database record, after the response.

Why BackgroundTasks: it takes milliseconds, and the record itself says whether it was done. One that
a crash has left `pending` is found by a query and processed again, which does no harm twice. Were
it slow, or were nobody to look for what stayed pending, it would be a job, and the only line to
change is the one that adds the task: `await process_item.aenqueue(item.id)`.

Why a session of its own: the background task gets the item's id, and `process_item` opens and
commits a session itself, as it does in a worker. The request's session is no place for work that
comes after it. Where it comes from a dependency with `yield`, FastAPI closes it before background
tasks run (0.106 to 0.117) or keeps it, and its connection, until they have ended (from 0.118 on);
and what it holds was read before the response. Here the request's session ends before the response.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.errors import TaskApiError
from app.models import Problem
from jobs.database import NAME_LENGTH, Item, transaction
from jobs.items import ItemId, add_item, process_item

router = APIRouter(prefix="/items")


class UnknownItem(TaskApiError):
    """There is no item {item_id}; POST /items makes one."""

    status = 404


class NewItem(BaseModel):
    """What to store."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]


class StoredItem(BaseModel):
    """An item as it was when it was read: plain data, which no session holds on to."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    status: Literal["pending", "processed"]
    processed_at: datetime | None


def stored_item(item_id: ItemId) -> StoredItem:
    """Read the item that the path names, in the request's own session.

    Raises:
        UnknownItem: there is none.
    """
    with transaction() as session:
        item = session.get(Item, item_id)
        if item is None:
            raise UnknownItem(item_id=item_id)
        return StoredItem.model_validate(item)


StoredItemDep = Annotated[StoredItem, Depends(stored_item)]
UNKNOWN_ITEM: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is no such item"}
}


@router.post("", status_code=201)
def store_item(item: NewItem) -> StoredItem:
    """Store a pending item."""
    return stored_item(add_item(item.name))


@router.get("/{item_id}", responses=UNKNOWN_ITEM)
def show_item(item: StoredItemDep) -> StoredItem:
    """Show an item as it stands."""
    return item


@router.post("/{item_id}/process", status_code=202, responses=UNKNOWN_ITEM)
def process_later(item: StoredItemDep, background: BackgroundTasks) -> StoredItem:
    """Answer with the item as it stands, then process it."""
    background.add_task(process_item, item.id)
    return item
