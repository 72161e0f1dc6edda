"""Environment variables that are named like a setting and are none: misspelt, they go unnoticed."""

import logging
import os
from collections.abc import Iterator
from difflib import get_close_matches

from pydantic import AliasChoices, AliasPath
from pydantic_settings import BaseSettings

from app.settings import ENV_PREFIX

logger = logging.getLogger("task_api.settings")


def unknown_variables() -> dict[str, str | None]:
    """Give each variable that is named like a setting and is none, and the setting nearest to it.

    Settings are what any class of settings reads that was imported by now, so ask once the task
    modules are loaded: they may have settings of their own.
    """
    kinds = set(_subclasses(BaseSettings))
    read = {name for kind in kinds for name in _variables(kind)}
    nested = tuple(
        f"{name}{delimiter}".upper()
        for kind in kinds
        if (delimiter := kind.model_config.get("env_nested_delimiter"))
        for name in _variables(kind)
    )
    unknown = [
        name
        for name in sorted(set(map(str.upper, os.environ)) - read)
        if name.startswith(ENV_PREFIX) and not name.startswith(nested)
    ]
    # What all have in common would make all of them near.
    known = {
        name.removeprefix(ENV_PREFIX): name
        for name in read
        if name.startswith((ENV_PREFIX, "REDIS_URL"))
    }
    near = {name: get_close_matches(name.removeprefix(ENV_PREFIX), known, n=1) for name in unknown}
    return {name: known[found[0]] if found else None for name, found in near.items()}


def warn_of_unknown_variables() -> None:
    """Log what is set in vain: a setting that is misspelt goes unnoticed otherwise."""
    for name, nearest in unknown_variables().items():
        logger.warning("setting.unknown name=%s nearest=%s; no setting is named so", name, nearest)


def _subclasses(kind: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)


def _variables(kind: type[BaseSettings]) -> Iterator[str]:
    """Name what a class of settings reads, in capitals, for case counts in none of them."""
    prefix = kind.model_config.get("env_prefix", "")
    for name, field in kind.model_fields.items():
        for each in _aliases(field.validation_alias) if field.validation_alias else [prefix + name]:
            yield each.upper()


def _aliases(alias: str | AliasPath | AliasChoices) -> list[str]:
    match alias:
        case AliasChoices(choices=choices):
            return [name for each in choices for name in _aliases(each)]
        case AliasPath(path=path):
            return [str(path[0])]
    return [str(alias)]
