"""On what was measured: the machine, the versions, the day."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from app.local.embedded import find_server

PACKAGES = (
    *("fastapi", "uvicorn", "uvloop", "pydantic", "redis", "hiredis", "rq"),
    *("saq", "huey", "dramatiq", "taskiq", "taskiq-redis", "arq", "celery"),
)


def describe_machine() -> str:
    """Give one line: processor, cores, memory, system."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return f"{_processor()}, {cores} cores, {memory:.0f} GiB, Linux {platform.release()}"


def describe_versions() -> str:
    """Give one line: Python, Redis, and each package compared."""
    server = find_server()
    name = server.program.name.removesuffix("-server").capitalize()
    parts = [f"Python {platform.python_version()}", f"{name} {'.'.join(map(str, server.version))}"]
    for package in PACKAGES:
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(parts)


def load_average() -> float:
    """Give the mean number of processes that wanted a core in the last minute."""
    return os.getloadavg()[0]


def today() -> str:
    """Give the day, in UTC."""
    return datetime.now(UTC).date().isoformat()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
