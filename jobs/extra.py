"""Say which extra to install when a package that only the shipped jobs need is missing."""

from collections.abc import Iterator
from contextlib import contextmanager


class MissingExtraError(ImportError):
    """A package of an optional extra is not installed; the message says what to install."""


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Turn a missing package, imported inside the block, into an error that names the extra.

    Raises:
        MissingExtraError: a package could not be found. An import that fails for another reason
            (a package that is there and broken) goes through as it is.

    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"The package {error.name!r} is not installed. It is part of the extra {extra!r}: "
            f"pip install '.[{extra}]'. Or leave these jobs out with TASK_API_TASK_MODULES",
            name=error.name,
        ) from error
