"""The libraries compared with, each as its own documentation sets it up.

A module has `noop`, and `fill(count)`, which enqueues that many. They are imported by the processes
that run them alone, and read Redis' address from REDIS_URL. Where a value is not the library's
default, a line says why. The commands of the workers stand in `benchmarks.sides`.
"""
