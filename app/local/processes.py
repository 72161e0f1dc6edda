"""A small supervisor of child processes: relays their lines, restarts them, ends them in order.

One thread and one `select` do it all: nothing to lock, and forking is safe.
"""

import selectors
import signal
import time
from collections import Counter
from dataclasses import dataclass

from app.errors import EndedAtStart
from app.local.child import Child, Command
from app.local.sessions import kill_session
from app.local.terminal import Terminal

_TICK = 0.1  # seconds; a signal is noticed within one
_ASKED_TO_END = (0, -signal.SIGTERM)
_KILL_SECONDS = 0.5  # for the system to take a killed process away


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a crashed child waits for its restart, in seconds: doubled at each crash."""

    first: float = 0.5
    longest: float = 30.0
    forgotten_after: float = 30.0  # a child that lived so long starts again from `first`

    def delay(self, crashes: int) -> float:
        """Give the wait after so many crashes in a row, the first one being 1."""
        return min(self.first * 2.0 ** min(crashes - 1, 32), self.longest)


class Supervisor:
    """Keeps its children running until it is asked to stop.

    Until `settle` is called, a child that ends with an exit code of its own is an error of the
    start (a wrong setting, a task that cannot be imported), which starting again would not cure.
    """

    def __init__(self, terminal: Terminal, name: str, backoff: Backoff | None = None) -> None:
        """Print to `terminal`, with `name` before what the supervisor itself has to say."""
        self.stopping = False
        self._hurried = False
        self._terminal = terminal
        self._name = name
        self._backoff = backoff or Backoff()
        self._settled = False
        self._selector = selectors.DefaultSelector()
        self._running: list[Child] = []
        self._crashes: Counter[str] = Counter()
        self._due: list[tuple[float, Command]] = []  # when to start what has crashed

    def say(self, text: str) -> None:
        """Print a line of the supervisor's own."""
        self._terminal.line(self._name, text)

    def request_stop(self, *_signal: object) -> None:
        """Ask for the end, as a signal handler; who asks again wants it at once."""
        self._hurried = self.stopping
        self.stopping = True

    def start(self, command: Command) -> Child:
        """Start a child and keep it running. Raises `OSError` where that is impossible."""
        child = Child(command, self._terminal.line)
        self._running.append(child)
        self._selector.register(child, selectors.EVENT_READ, child)
        self.say(f"started {command.name}, process {child.pid}")
        return child

    def settle(self) -> None:
        """Restart from now on whatever ends."""
        self._settled = True

    def tick(self, seconds: float = _TICK) -> bool:
        """Relay and restart for at most so long; False once it is to stop.

        Raises `EndedAtStart`, see `settle`.
        """
        self._relay(seconds)
        for child in list(self._running):
            code = child.exit_code()
            if code is not None:
                self._bury(child)
                self._plan_restart(child, code)
        self._restart_due()
        return not self.stopping

    def stop(self, grace: float, last_grace: float) -> None:
        """End all children, those that the others need after the others.

        Each gets SIGTERM, and SIGKILL if it runs on after `grace` seconds (`last_grace` for the
        last ones).
        """
        self.stopping = True
        self._end([child for child in self._running if not child.command.ends_last], grace)
        self._end(list(self._running), last_grace)
        for key in list(self._selector.get_map().values()):
            self._close(key.data)

    def _relay(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            if not key.data.relay():
                self._close(key.data)

    def _close(self, child: Child) -> None:
        self._selector.unregister(child)
        child.close()

    def _bury(self, child: Child) -> None:
        self._running.remove(child)
        # Orphans would go on holding its locks, its ports, and connections that take jobs.
        if orphans := kill_session(child.pid, _KILL_SECONDS):
            self.say(f"killed what {child.command.name} left running: {orphans}")
        if not child.closed and not child.relay():  # its last words come first
            self._close(child)

    def _plan_restart(self, child: Child, code: int) -> None:
        name = child.command.name
        if self.stopping:
            self.say(f"{name} {'ended' if code in _ASKED_TO_END else _ended(code)}")
            return
        if code >= 0 and not self._settled:
            raise EndedAtStart(name=name, code=code, lines=child.last_line)
        if time.monotonic() - child.started_at >= self._backoff.forgotten_after:
            self._crashes[name] = 0
        self._retry(child.command, _ended(code))

    def _retry(self, command: Command, why: str) -> None:
        self._crashes[command.name] += 1
        delay = self._backoff.delay(self._crashes[command.name])
        self._due.append((time.monotonic() + delay, command))
        self.say(f"{command.name} {why}; starting it again in {delay:g} s")

    def _restart_due(self) -> None:
        now = time.monotonic()
        due = [command for at, command in self._due if at <= now]
        self._due = [(at, command) for at, command in self._due if at > now]
        for command in [] if self.stopping else due:
            try:
                self.start(command)
            except OSError as error:
                self._retry(command, f"cannot be started ({error.strerror})")

    def _end(self, children: list[Child], grace: float) -> None:
        for child in children:
            child.send(signal.SIGTERM)
        self._wait_for(children, grace, may_hurry=not any(c.command.ends_last for c in children))
        for child in (late := [child for child in children if child in self._running]):
            self.say(f"{child.command.name} did not end within {grace:g} s; killing it")
            child.send(signal.SIGKILL)
        self._wait_for(late, _KILL_SECONDS)

    def _wait_for(self, children: list[Child], seconds: float, *, may_hurry: bool = False) -> None:
        deadline = time.monotonic() + seconds
        while any(child in self._running for child in children) and time.monotonic() < deadline:
            if may_hurry and self._hurried:
                self._hurried = False
                for child in children:
                    if child in self._running:
                        child.send(signal.SIGTERM)  # a worker's second one: its job is put back
            self.tick(_TICK)


def _ended(code: int) -> str:
    if code < 0:
        return f"was killed by signal {-code} ({signal.strsignal(-code)})"
    return f"ended with code {code}"
