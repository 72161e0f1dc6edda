"""What an address is: fit for a callback, public, or this machine's own.

A callback's URL is checked when the job comes in; what its name resolves to is checked by whoever
connects, for a name may point elsewhere a moment later.
"""

import ipaddress
import re
from functools import lru_cache
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

LONGEST_URL = 2000  # characters

_URL = r"^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$"

_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
_PORTS = {"http": 80, "https": 443}
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")  # all that IANA has given out as global unicast
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")  # holds an IPv4 address, perhaps an inner one
_DOCUMENTED_IPV6 = ipaddress.IPv6Network("3fff::/20")  # RFC 9637; for examples, as 2001:db8:: is
# Python before 3.12.4 takes most of the first for public; a cloud's metadata are there (.192).
# The second is Azure's own: what answers there answers that one machine alone.
_INNER_IPV4 = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("168.63.129.16"))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are the IPv4 address


class Place(NamedTuple):
    """Where a URL points, taken apart."""

    is_tls: bool
    host: str
    port: int
    target: str  # path and query


def place_of(url: str) -> Place:
    """Take a URL apart.

    Raises:
        ValueError: it is no absolute http or https URL of ASCII letters, or names a user.
    """
    if not re.fullmatch(_URL, url):
        raise ValueError("is no http or https URL in ASCII (write other letters as %XX or xn--)")
    parts = urlsplit(url)  # itself refuses broken brackets
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or a password; the signature says who sends")
    host = parts.hostname or ""
    if not (_is_ipv6(host) if "[" in parts.netloc else _HOST.fullmatch(host)):
        raise ValueError("names no host")
    port = _PORTS[parts.scheme] if parts.port is None else parts.port  # itself refuses over 65535
    if port == 0:
        raise ValueError("has port 0")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.scheme == "https", host, port, target)


def _checked(url: str) -> str:
    place_of(url)
    return url


# The pattern is for the document alone: `_checked` says more of what is wrong.
CALLBACK_FORM = Field(max_length=LONGEST_URL, json_schema_extra={"pattern": _URL})

CallbackUrl = Annotated[str, CALLBACK_FORM, AfterValidator(_checked)]
"""A URL that a callback can be sent to, as a field of a model."""


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to one host of the public internet."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip not in _GLOBAL_IPV6 or ip in _SIX_TO_FOUR or ip in _DOCUMENTED_IPV6:
            return False
    if any(ip in network for network in _INNER_IPV4):
        return False
    return ip.is_global and not ip.is_multicast


@lru_cache(maxsize=1024)  # each request asks
def is_loopback(host: str) -> bool:
    """Tell whether a host, as it stands in a URL or a setting, is this machine alone.

    Any name but `localhost` is taken for another machine: what it stands for may change.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_inner_by_name(url: str) -> bool:
    """Tell whether a URL's host says by itself that it is an inner one, before any look-up.

    Raises:
        ValueError: see `place_of`.
    """
    host = place_of(url).host.lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not is_public(host)
    except ValueError:  # a name; what it resolves to is checked when it is connected to
        return False


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host  # a zone is this machine's own matter
