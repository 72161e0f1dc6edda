"""`rq worker` with the tasks imported before it forks, as RQ's documentation advises for speed.

The stock command imports a job's module after each fork anew, which takes longer than all else.
"""

import sys

from rq.cli.cli import main

from benchmarks import tasks

__all__ = ["tasks"]

if __name__ == "__main__":
    sys.argv[1:1] = ["worker", "--quiet"]
    main()
