"""HTTP to the outer world only: allowed hosts, and no connection to an inner address.

A check of the URL alone is not enough: a name may point inwards, or point elsewhere at the next
look-up (DNS rebinding). So the transports here resolve the name once, check every address that
it has, and connect to the very address that was checked. `Host` and the certificate's name stay
those of the URL. Proxies of the environment are not used, as a proxy would resolve again.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from jobs.extra import needs_extra

with needs_extra("jobs"):
    import httpx

AddressInfo = tuple[object, object, object, object, tuple[object, ...]]  # of getaddrinfo

GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")  # all that IANA has given out as global unicast
SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")  # holds an IPv4 address, perhaps an inner one
DOCUMENTED_IPV6 = ipaddress.IPv6Network("3fff::/20")  # RFC 9637; for examples, as 2001:db8:: is
# Python before 3.12.4 takes most of the first for public; a cloud's metadata are there (.192).
# The second is Azure's own: what answers there answers that one machine alone.
INNER_IPV4 = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("168.63.129.16"))
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are the IPv4 address
ONE_USE = httpx.Limits(max_keepalive_connections=0)  # never one name's TLS for another's request


class HostNotAllowedError(Exception):
    """The host is not one of the allowed ones. An operator can add it to the setting named."""


class InnerAddressError(Exception):
    """The host is, or resolves to, an address that is not public."""


def check_host(host: str, allowed: Iterable[str], setting: str) -> None:
    """Let a host pass that an entry of `allowed` names: `host`, `*.domain` or `*`.

    Raises:
        HostNotAllowedError: no entry does. The message names `setting`.

    """
    name = host.lower().rstrip(".")
    for entry in map(str.lower, allowed):
        if entry in ("*", name) or (entry.startswith("*.") and name.endswith(entry[1:])):
            return
    raise HostNotAllowedError(f"The host {host!r} is not allowed. Allow it with {setting}.")


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to one host of the public internet.

    It judges as `app.addresses` does for callbacks, of which a job imports nothing; a test holds
    the two against each other.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip not in GLOBAL_IPV6 or ip in SIX_TO_FOUR or ip in DOCUMENTED_IPV6:
            return False
    if any(ip in network for network in INNER_IPV4):
        return False
    return ip.is_global and not ip.is_multicast


class OutboundTransport(httpx.BaseTransport):
    """For `httpx.Client(transport=…)`: connects to public addresses only.

    With `allow_inner` it connects to any, still to one that was resolved once.

    Raises, from a request:
        InnerAddressError: the host is, or resolves to, an inner address; nothing was sent.
        httpx.ConnectError: the host has no address, or none that answers.
    """

    def __init__(self, *, allow_inner: bool = False) -> None:
        self._allow_inner = allow_inner
        self._http = httpx.HTTPTransport(limits=ONE_USE)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send to the first of the host's addresses that takes the connection."""
        with _named_lookup_failure(request):
            found = socket.getaddrinfo(*_name_and_port(request), type=socket.SOCK_STREAM)
        *others, last = _pinned(request, found, allow_inner=self._allow_inner)
        for target in others:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):  # nothing was sent yet
                return self._http.handle_request(target)
        return self._http.handle_request(last)

    def close(self) -> None:
        """Close what is still open."""
        self._http.close()


class AsyncOutboundTransport(httpx.AsyncBaseTransport):
    """The same for `httpx.AsyncClient(transport=…)`."""

    def __init__(self, *, allow_inner: bool = False) -> None:
        self._allow_inner = allow_inner
        self._http = httpx.AsyncHTTPTransport(limits=ONE_USE)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send to the first of the host's addresses that takes the connection."""
        loop = asyncio.get_running_loop()
        with _named_lookup_failure(request):
            found = await loop.getaddrinfo(*_name_and_port(request), type=socket.SOCK_STREAM)
        *others, last = _pinned(request, found, allow_inner=self._allow_inner)
        for target in others:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):  # nothing was sent yet
                return await self._http.handle_async_request(target)
        return await self._http.handle_async_request(last)

    async def aclose(self) -> None:
        """Close what is still open."""
        await self._http.aclose()


def _name_and_port(request: httpx.Request) -> tuple[str, int]:
    url = request.url
    return url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80)


@contextmanager
def _named_lookup_failure(request: httpx.Request) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeError) as error:  # UnicodeError: a label over 63 characters
        message = f"The host {request.url.host!r} could not be resolved: {error}"
        raise httpx.ConnectError(message, request=request) from error


def _pinned(
    request: httpx.Request, found: Sequence[AddressInfo], *, allow_inner: bool
) -> list[httpx.Request]:
    """Give the request once for each address, with the address in the place of the name."""
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    inner = [address for address in addresses if not is_public(address)]
    if inner and not allow_inner:
        raise InnerAddressError(
            f"The host {request.url.host!r} is not called: its address {inner[0]} is not public. "
            "An operator allows it with TASK_API_ALLOW_INNER_ADDRESSES."
        )
    name = request.url.raw_host.decode("ascii")
    return [
        httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,  # with the Host of the name
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": name},
        )
        for address in addresses
    ]
