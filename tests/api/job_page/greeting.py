"""A task whose jobs are looked at, and how a browser asks."""

from typing import Any

from app.tasks import task

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@task
def greet(name: str = "you") -> str:
    return name


def enqueue(api: Any, query: str = "", **args: Any) -> Any:
    answer = api.post(f"/tasks/greet{query}", json=args)
    assert answer.status_code == 202, answer.text
    return answer.json()
