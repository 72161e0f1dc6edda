"""The fixtures of the workers' tests, which those of the processes use as well."""

from tests.worker.fixtures import (  # noqa: F401
    line,
    start,
    work,
    work_ours,
    work_stock,
    worker_settings,
)
