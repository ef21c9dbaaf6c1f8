"""Which IP addresses belong to the public internet: the ones that a site may be on without `allow_private`."""

import ipaddress


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, and not to this machine, a private network or a group."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:  # a name: who connects to addresses alone looks none up
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
