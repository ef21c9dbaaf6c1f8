"""Downloading from the web, and from nowhere else: which addresses may be connected to, and TLS that is verified."""

import ipaddress
from typing import Any

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from scrapy import Request
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.exceptions import DownloadCancelledError
from scrapy.http import Response

from spiders.errors import SpiderError


class PrivateAddressError(SpiderError):
    """A connection into a private network, which the site is not allowed to make."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address} is not an address of the public internet; a site in a private network needs allow_private"
        )


class WebDownloadHandler(HTTP11DownloadHandler):
    """Scrapy's handler for http and https, made when the first request of its scheme comes: TLS costs something."""

    lazy = True

    async def download_request(self, request: Request) -> Response:
        """Download; a page above DOWNLOAD_MAXSIZE fails with words, where Scrapy's own handler has none."""
        try:
            return await super().download_request(request)
        except DownloadCancelledError as error:
            raise DownloadCancelledError(str(error) or f"larger than {self._default_maxsize} bytes") from error


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, and not to this machine, a private network or a group."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:  # a name: nothing here connects to one, so it is not looked up either
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or _nat64(ip)
        if inner is not None:
            return is_public(str(inner))
        if ip.teredo is not None or ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _nat64(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip not in ipaddress.IPv6Network("64:ff9b::/96"):
        return None
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)


def refuse_private_addresses(reactor: Any) -> None:
    """From now on this reactor connects to public addresses only.

    Names are resolved by then, and every connection (a redirect's, a robots.txt's) is made here, so a name that
    resolves to something else the second time gains nothing.
    """
    connect = reactor.connectTCP

    def guarded(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if not is_public(host):
            raise PrivateAddressError(host)
        return connect(host, port, *args, **kwargs)

    reactor.connectTCP = guarded
