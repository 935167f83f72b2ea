"""How often and how much at once: limits that hold for whoever asks."""

from ipaddress import ip_address


def network_of(client: str) -> str:
    """Where a request comes from, as limits count it: an IPv4 address, or the /64 of an IPv6 one, which one home has whole.

    An IPv4 address written as an IPv6 one (`::ffff:…`) is the same; what is no address stands for itself.
    """
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_address(int(address) >> 64 << 64))
