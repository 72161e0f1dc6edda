"""Enqueue no-op jobs with one library: `python -m benchmarks.fill PEER COUNT`."""

import asyncio
import importlib
import inspect
import sys


def main() -> None:
    """Read the command line, and enqueue."""
    peer, count = sys.argv[1:]
    filling = importlib.import_module(f"benchmarks.peers.{peer}").fill(int(count))
    if inspect.iscoroutine(filling):
        asyncio.run(filling)


if __name__ == "__main__":
    main()
