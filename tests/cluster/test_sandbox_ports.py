"""Ports stay the same from start to start, and two sandboxes never get the same."""

import socket

from sandbox.ports import HIGHEST, LOWEST, PortBook


def test_a_port_is_the_same_at_the_next_start(tmp_path):
    first = PortBook(tmp_path / "ports.json")
    port = first.get("api")
    first.release()
    again = PortBook(tmp_path / "ports.json")
    assert again.get("api") == port
    again.release()


def test_a_port_that_somebody_took_is_replaced(tmp_path):
    first = PortBook(tmp_path / "ports.json")
    port = first.get("api")
    first.release()
    with socket.create_server(("127.0.0.1", port)):
        again = PortBook(tmp_path / "ports.json")
        assert again.get("api") != port
        again.release()


def test_names_and_books_get_ports_of_their_own_below_the_kernels(tmp_path):
    books = [PortBook(tmp_path / f"{index}.json") for index in range(3)]
    ports = [book.get(f"name-{index}") for book in books for index in range(10)]
    assert len(set(ports)) == 30
    assert all(LOWEST <= port < HIGHEST for port in ports)
    for book in books:
        book.release()


def test_a_server_can_listen_on_a_held_port_and_come_back(tmp_path):
    book = PortBook(tmp_path / "ports.json")
    port = book.get("api")
    for _ in range(2):
        with socket.create_server(("127.0.0.1", port)):
            pass
    book.release()
