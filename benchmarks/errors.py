"""What can keep a figure from being one."""


class BenchmarkError(Exception):
    """A measurement that must not be published; the message says why."""
