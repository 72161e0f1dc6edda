"""Free TCP ports of this machine."""

import errno
import random
import socket
import sys

from app.errors import AddressUnavailable, NoFreePort

_CONNECT_SECONDS = 0.5
_QUIET = range(20_000, 32_000)
_TRIES = 100

_dice = random.SystemRandom()  # processes that begin alike do not draw alike


def first_free(host: str, first: int, count: int = 100) -> int:
    """Give the lowest free port of `count` from `first` on.

    Raises `NoFreePort`, or `AddressUnavailable` where `host` is no address of this machine or the
    port is a privileged one.
    """
    last = min(first + count - 1, 65_535)
    for port in range(first, last + 1):
        if is_free(host, port):
            return port
    raise NoFreePort(host=host, first=first, last=last)


def any_free(host: str) -> int:
    """Give a port that nobody uses, by chance.

    None that the system might give out first, to an outgoing connection: those begin at 32,768 on
    Linux, at 49,152 on macOS.

    Raises `NoFreePort`, or `AddressUnavailable` where `host` is no address of this machine.
    """
    for port in _dice.sample(_QUIET, _TRIES):
        if is_free(host, port):
            return port
    raise NoFreePort(host=host, first=_QUIET.start, last=_QUIET.stop - 1)


def hold(port: int) -> socket.socket | None:
    """Claim a port before it is bound, so that of two who start at once one takes another.

    It is held until the socket is closed; None where somebody holds it. On Linux alone, by a name
    that ends with its process; elsewhere nobody is kept off.
    """
    holding = socket.socket(socket.AF_UNIX)
    if sys.platform == "linux":
        try:
            holding.bind(f"\0task-api-port-{port}")
        except OSError:
            holding.close()
            return None
    return holding


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now.

    It looks twice, since neither look is enough: binding alone succeeds on macOS beside a listener
    on all addresses, connecting alone misses a port that is held and not listened on.
    """
    try:
        with _socket(host) as probe:
            # As servers do: a port whose last connections are in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise AddressUnavailable(host=host, port=port, reason=error.strerror or error) from error
    with _socket(host) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        return probe.connect_ex((host, port)) != 0


def _socket(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
