"""One delivery over HTTP to a receiver that may be slow, broken or hostile."""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpcore

from shared.days import now
from shared.settings import Settings
from shared.subscriptions import signing
from shared.subscriptions.models import Webhook

GONE = 410
# An answer's body means nothing; so much of it is read, so long, that the connection can be used again.
_MOST_OF_BODY = 65_536
_BODY_SECONDS = 1
# What a receiver may ask for by Retry-After.
_LONGEST_PAUSE_SECONDS = 3_600

_NAT64, _THIS_NETWORK = ip_network("64:ff9b::/96"), ip_network("0.0.0.0/8")

# Errors of the exchange: no connection, no TLS, no HTTP.
_BROKEN = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.ProxyError, OSError)


class Outcome(NamedTuple):
    """What came of one attempt: the status, if there was one, and why it failed; `retry_after` in seconds."""

    status: int | None
    failure: str | None
    retry_after: int = 0


class RefusedAddress(OSError):
    """The host leads to an address that is no receiver's."""


class _Network(httpcore.AnyIOBackend):
    """Looks a name up once and connects to what it found, unless that is of the machine's own network fabric: so no
    such address is ever sent a packet, and a name cannot lead elsewhere after it was looked at."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        if any(map(refused_address, addresses)):
            raise RefusedAddress(host)
        for last, address in enumerate(addresses, 1 - len(addresses)):
            try:
                return await super().connect_tcp(address, port, timeout, local_address, socket_options)
            except _BROKEN:
                if last == 0:
                    raise
        raise RefusedAddress(host)


def refused_address(text: str) -> bool:
    """Whether nothing is ever sent there: link-local (a cloud's metadata), multicast, unspecified, broadcast and what
    is reserved; an IPv4 address that is written into an IPv6 one (mapped, 6to4, NAT64) is looked at as what it is."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return refused_address(str(inner))
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or (address.is_reserved and not address.is_loopback)
        or address in _THIS_NETWORK
    )


def allowed_host(settings: Settings, url: str) -> bool:
    """Whether the settings allow the URL's host; a leading dot in them allows all below."""
    host = (urlsplit(url).hostname or "").lower()
    allowed = [name.strip().lower() for name in settings.webhook_hosts.split(",") if name.strip()]
    return not allowed or any(host == name or (name.startswith(".") and host.endswith(name)) for name in allowed)


def open_pool() -> httpcore.AsyncConnectionPool:
    """Connections to receivers. None waits for another's; TLS is checked against the system's authorities."""
    return httpcore.AsyncConnectionPool(
        ssl_context=_trusted(),
        max_connections=None,
        max_keepalive_connections=20,
        keepalive_expiry=30,
        network_backend=_Network(),
    )


@cache
def _trusted() -> ssl.SSLContext:
    # To read all authorities takes a twentieth of a second.
    return ssl.create_default_context()


async def post(
    pool: httpcore.AsyncConnectionPool, settings: Settings, webhook: Webhook, event_id: str, body: bytes
) -> Outcome:
    """Send one event. Only a 2xx within ANTT_WEBHOOK_SECONDS is a delivery; a redirect is not followed."""
    if not allowed_host(settings, webhook.url):
        return Outcome(None, "host-not-allowed")
    headers = [
        ("host", urlsplit(webhook.url).netloc),
        ("content-type", "application/cloudevents+json"),
        ("content-length", str(len(body))),
        ("user-agent", "antt-webhooks"),
        *signing.headers(_secrets(webhook), event_id, now(), body),
    ]
    try:
        async with (
            asyncio.timeout(settings.webhook_seconds),
            pool.stream("POST", webhook.url, headers=headers, content=body) as response,
        ):
            # What the status says counts, whatever becomes of the body.
            with suppress(TimeoutError, *_BROKEN):
                async with asyncio.timeout(_BODY_SECONDS):
                    await _read_some(response)
            return _outcome(response)
    except TimeoutError:
        return Outcome(None, "timeout")
    except (*_BROKEN, httpcore.UnsupportedProtocol, UnicodeError, ValueError) as error:
        # The words of a protocol error may be the receiver's own: they are not repeated.
        said = str(error)[:200] if isinstance(error, httpcore.ConnectError | OSError) else ""
        return Outcome(None, f"{type(error).__name__} {said}".strip())


async def _read_some(response: httpcore.Response) -> None:
    read = 0
    async for chunk in response.aiter_stream():
        read += len(chunk)
        if read > _MOST_OF_BODY:
            break


def _outcome(response: httpcore.Response) -> Outcome:
    if 200 <= response.status < 300:
        return Outcome(response.status, None)
    asked = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
    pause = min(int(asked), _LONGEST_PAUSE_SECONDS) if asked.isdigit() and len(asked) < 9 else 0
    return Outcome(response.status, f"HTTP {response.status}", pause)


def _secrets(webhook: Webhook) -> list[str]:
    until = webhook.secret_before_until
    sealed = (webhook.secret, webhook.secret_before if until is not None and until > now() else None)
    return [signing.unseal(webhook.id, each) for each in sealed if each is not None]
