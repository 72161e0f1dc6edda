"""The Lua scripts, each in a file of its own with a header of its keys, arguments and answer.

Each begins with the functions of `changes.lua`: what every change of a job leaves behind.
"""

from functools import cache
from importlib.resources import files


@cache
def script(name: str) -> str:
    """Give the text of `lua/{name}.lua`, behind that of `lua/changes.lua`."""
    folder = files("app.queue") / "lua"
    return (folder / "changes.lua").read_text() + (folder / f"{name}.lua").read_text()
