"""What keeps a service from starting, told all at once."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from app.errors import DeclarationError, SeveralMistakes


def refuse(mistakes: Iterable[DeclarationError]) -> None:
    """Raise what is wrong, each mistake once; do nothing where there is none.

    Raises:
        DeclarationError: the only one, or `SeveralMistakes`, which lists them.
    """
    found = {str(each): each for each in _single(mistakes)}
    if len(found) > 1:
        listed = "".join(f"\n- {text}" for text in found)
        raise SeveralMistakes(count=len(found), listed=listed, mistakes=[*found.values()])
    for mistake in found.values():
        raise mistake


@contextmanager
def noting(mistakes: list[DeclarationError]) -> Iterator[None]:
    """Go on after a mistake, and note it."""
    try:
        yield
    except DeclarationError as error:
        mistakes.append(error)


def _single(mistakes: Iterable[DeclarationError]) -> Iterator[DeclarationError]:
    for mistake in mistakes:
        yield from mistake.facts.get("mistakes", (mistake,))
