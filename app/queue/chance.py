"""Chance of our own: a task may seed the generator that `random` has for everybody.

It is seeded anew in each fork, or two processes would draw the same.
"""

import os
from random import Random

chance = Random()  # noqa: S311 - it keeps no secret
os.register_at_fork(after_in_child=chance.seed)
