"""Whether a page can be served at an address and a port, asked before the model is loaded."""

from __future__ import annotations

import errno
import os
import socket

from training_pro.errors import UserError

_PORTS = range(65536)
_LOOPBACK = "127.0.0.1"  # where gradio, too, looks whether the port is free


def check_address(address: str, port: int) -> None:
    """Raises:
    UserError: nothing can listen there; with the way out.
    """
    if port not in _PORTS:
        raise UserError(f"Port {port} doesn't exist; choose one from 0 to 65535 with --port (0: any free one).")
    for place in dict.fromkeys((address, _LOOPBACK)):
        _try(place, port)


def _try(address: str, port: int) -> None:
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.removeprefix("[").removesuffix("]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as attempt:
            if os.name != "nt":  # where it means something else
                attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind(where)
    except (OSError, UnicodeError) as error:
        raise _fault(address, port, error) from error


def _fault(address: str, port: int, error: Exception) -> UserError:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return UserError(
            f"Port {port} is in use, perhaps by a page that is already open; choose another with --port, for example "
            f"--port {port + 1 if port + 1 in _PORTS else 0}."
        )
    if number in (errno.EACCES, errno.EPERM):
        return UserError(
            f"This account may not use port {port}, one of those that the system keeps for itself; choose one from "
            "1024 on with --port, for example --port 7861."
        )
    return UserError(
        f"This computer can't listen on the address {address!r}. Use 127.0.0.1 for this computer alone, or 0.0.0.0 for "
        "its whole network.",
        option=("--listen 127.0.0.1", "--listen 0.0.0.0"),
    )
