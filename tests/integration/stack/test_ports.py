import socket
from concurrent.futures import ThreadPoolExecutor

from aidashboard.stack.ports import free_port, is_free


def test_no_two_callers_get_the_same_port():
    with ThreadPoolExecutor(max_workers=8) as threads:
        ports = list(threads.map(lambda _: free_port(), range(40)))

    assert len(set(ports)) == 40


def test_port_lies_outside_the_range_of_outgoing_connections():
    with open("/proc/sys/net/ipv4/ip_local_port_range") as limits:
        first, last = map(int, limits.read().split())

    assert not first <= free_port() <= last


def test_port_somebody_listens_on_is_not_free():
    port = free_port()
    assert is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
    assert is_free(port)
