"""`python -m app`: everything on one machine, or one of the sub-commands."""

import argparse
import sys
from collections.abc import Sequence

from app.doctor.examination import examine_here
from app.doctor.finding import as_json, as_text, is_well
from app.errors import TaskApiError
from app.local import up
from app.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code: 0, or 1 with what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m app", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("up", help="start Redis, the API and the workers here (the default)")
    doctor = commands.add_parser("doctor", help="check a deployment: what is wrong, the remedy")
    doctor.add_argument("--json", action="store_true", help="for a program to read")
    chosen = parser.parse_args(arguments)
    if chosen.command == "doctor":
        return _examine(json=chosen.json)
    try:
        up.run(Settings.load(), sys.stdout)
    except TaskApiError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _examine(*, json: bool) -> int:
    findings = examine_here()
    print(as_json(findings) if json else as_text(findings))
    return 0 if is_well(findings) else 1


if __name__ == "__main__":
    sys.exit(main())
