"""The Lua scripts, each in a file of its own with a header of its keys, arguments and answer."""

from functools import cache
from importlib.resources import files


@cache
def script(name: str) -> str:
    """Give the text of `lua/{name}.lua`."""
    return (files("app.queue") / "lua" / f"{name}.lua").read_text()
