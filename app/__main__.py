"""`python -m app`: everything on one machine, or one of the sub-commands."""

import argparse
import sys
from collections.abc import Sequence

from app.doctor.examination import examine_here
from app.doctor.finding import as_json, as_text, is_well
from app.errors import TaskApiError
from app.local import up
from app.local.running import beside_make_up
from app.secret import secrets_here
from app.settings import Settings
from app.webhooks import new_secret


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code: 0, or 1 with what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m app", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("up", help="start Redis, the API and the workers here (the default)")
    doctor = commands.add_parser("doctor", help="check a deployment: what is wrong, the remedy")
    doctor.add_argument("--json", action="store_true", help="for a program to read")
    secret = commands.add_parser("secret", help="print what callbacks are signed with")
    secret.add_argument("--new", action="store_true", help="print a fresh one; nothing is changed")
    chosen = parser.parse_args(arguments)
    if chosen.command == "doctor":
        return _examine(json=chosen.json)
    try:
        if chosen.command == "secret":
            return _print_secrets(new=chosen.new)
        up.run(Settings.load(), sys.stdout)
    except TaskApiError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _examine(*, json: bool) -> int:
    findings = examine_here()
    print(as_json(findings) if json else as_text(findings))
    return 0 if is_well(findings) else 1


def _print_secrets(*, new: bool) -> int:
    print("\n".join([new_secret()] if new else secrets_here(beside_make_up(Settings.load()))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
