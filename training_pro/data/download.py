"""Fetch a dataset file by URL into a folder, as a careful guest of somebody's network.

Only http(s), known endings, a size limit and time limits; no file is replaced unasked. Every host, that of a
redirect too, is looked up once and connected to by the address that was checked, so that no name can lead to
a private address, not even by answering differently the second time. Proxies and compression are not used.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from training_pro.data.files import WEB_PAGES, suffix_of
from training_pro.data.rendering.formats import make_format
from training_pro.data.upload import safe_name
from training_pro.errors import DataError
from training_pro.progress import OfBytes, Progress, no_progress
from training_pro.record.whole_files import whole_file
from training_pro.small_files import json_in
from training_pro.words import reason_of

MAX_BYTES = 2 << 30
MAX_REDIRECTS = 5
WAIT_SECONDS = 20
DEADLINE_SECONDS = 3600
_CHUNK_BYTES = 1 << 16
_MOST_DIGITS = 30  # of a size that is announced: far too large already
_REDIRECTS = (301, 302, 303, 307, 308)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Limits:
    """What a download may do; `allow_private` lets it reach this machine and the local network."""

    max_bytes: int = MAX_BYTES
    allow_private: bool = False
    overwrite: bool = False


Check = Callable[[Path, str], None]


def download_format(url: str, folder: Path, limits: Limits | None = None, progress: Progress = no_progress) -> Path:
    """The format file behind `url`, now in `folder`.

    Raises:
        DataError: as `download`; besides, it is no format file. Nothing is then kept.
        RunError, Cancelled: as `download`.
    """
    if not _file_name(_parsed(url)).endswith(".json"):
        raise DataError("A format file ends in .json; give the address of one, or download it as a dataset.")
    return download(url, folder, limits, progress, _check_format)


def _check_format(path: Path, name: str) -> None:
    try:
        values = json_in(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{name} is not valid JSON ({str(error)[:120]}); find another format file.") from None
    make_format(Path(name).stem, values)


def _anything(path: Path, name: str) -> None:
    """A dataset is looked at when it is used."""


def download(
    url: str,
    folder: Path,
    limits: Limits | None = None,
    progress: Progress = no_progress,
    check: Check = _anything,
) -> Path:
    """The file behind `url`, now in `folder` under the URL's last part. `check(file, name)` may refuse it before it
    takes its place.

    Raises:
        DataError: one sentence on the URL, the host, the file or its size.
        RunError: the file can't be written.
        Cancelled: from `progress`.
    """
    limits = limits or Limits()
    target = folder / _file_name(_parsed(url))
    if target.exists() and not limits.overwrite:
        raise DataError(f"{target.name} already exists; rename it, or choose to overwrite it.", option="--overwrite")
    connection, response = _opened(url, limits)
    try:
        total = _announced_bytes(response, limits)
        if suffix_of(target) not in WEB_PAGES:
            _refuse_pages(response, url)
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as temporary:
            _copy(response, temporary, (target.name, total, limits.max_bytes), progress)
            check(temporary, target.name)
            if target.exists() and not limits.overwrite:
                raise DataError(
                    f"{target.name} has appeared meanwhile; rename it, or choose to overwrite it.", option="--overwrite"
                )
    finally:
        connection.close()
    return target


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise DataError(f"{url[:120]!r} is not an address; it should look like https://host/file.jsonl.") from None
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\x00-\x20\x7f]", url.strip()):
        raise DataError(f"{url[:120]!r} is not a web address; it must begin with http:// or https://.")
    if parts.username is not None or parts.password is not None:
        raise DataError("The address holds a user name or password; download the file by hand instead.")
    return parts


def _file_name(parts: SplitResult) -> str:
    return safe_name(unquote(parts.path.rsplit("/", 1)[-1]))


def _opened(url: str, limits: Limits) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """The answer to `url` after its redirects, each of them checked."""
    for _ in range(MAX_REDIRECTS + 1):
        parts = _parsed(url)
        connection = _connection(parts, limits.allow_private)
        try:
            response = _answer(connection, parts)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise DataError(
                f"{parts.hostname} does not answer ({_reason(error)}); check the address and the connection."
            ) from None
        if response.status == 200:
            return connection, response
        location = response.getheader("Location")
        connection.close()
        if response.status not in _REDIRECTS or not location:
            raise DataError(
                f"{parts.hostname} answers {response.status} {response.reason[:60]} for {parts.path[-80:]}; "
                "check the address."
            )
        url = _joined(url, location)
    raise DataError(f"The address leads on more than {MAX_REDIRECTS} times; use the file's own address.")


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise DataError(f"{url[:120]} leads on to {location[:80]!r}, which is no address; find another.") from None


def _answer(connection: http.client.HTTPConnection, parts: SplitResult) -> http.client.HTTPResponse:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    safe = re.sub(r"[^\x21-\x7e]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), path)
    connection.request("GET", safe, headers={"Accept-Encoding": "identity", "User-Agent": "training-pro"})
    return connection.getresponse()


def _connection(parts: SplitResult, allow_private: bool) -> http.client.HTTPConnection:
    host = str(parts.hostname)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = checked_addresses(host, port, allow_private)
    if parts.scheme == "https":
        return _PinnedHTTPS(host, port, addresses)
    return _PinnedHTTP(host, port, addresses)


def checked_addresses(host: str, port: int, allow_private: bool) -> list[str]:
    """The addresses to connect to for `host`, the preferred first.

    Raises:
        DataError: unknown host, or one of its addresses is private and that isn't allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise DataError(f"The host {host[:80]!r} is not known; check the address and the connection.") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if not allow_private and not is_public(address):
            raise DataError(
                f"{host[:80]!r} is {address}, an address of this machine or of a local network; "
                "allow private addresses if that is meant."
            )
    return addresses


def is_public(address: str) -> bool:
    """Whether `address` is one of the open internet, also where it wraps another one."""
    found: Address = ipaddress.ip_address(address.partition("%")[0])
    wrapped: Address | None = None
    if isinstance(found, ipaddress.IPv6Address):
        wrapped = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            wrapped = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    if wrapped is not None and not is_public(str(wrapped)):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


class _PinnedHTTP(http.client.HTTPConnection):
    """Speaks of a host, connects to one of the addresses that were checked."""

    def __init__(self, host: str, port: int, addresses: list[str]) -> None:
        super().__init__(host, port, timeout=WAIT_SECONDS)
        self._addresses = addresses

    def connect(self) -> None:
        for address in self._addresses[:-1]:
            with suppress(OSError):
                self.sock = socket.create_connection((address, self.port), self.timeout)
                return
        self.sock = socket.create_connection((self._addresses[-1], self.port), self.timeout)


class _PinnedHTTPS(_PinnedHTTP):
    """The same with TLS; the certificate must be the host's."""

    def connect(self) -> None:
        super().connect()
        self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def _announced_bytes(response: http.client.HTTPResponse, limits: Limits) -> int:
    """What the host says the size is, 0 if it doesn't."""
    if response.getheader("Content-Encoding", "identity").lower() != "identity":
        raise DataError("The host sends the file compressed, against our asking; download it by hand.")
    announced = response.getheader("Content-Length", "")
    total = int(announced[:_MOST_DIGITS]) if announced.isdecimal() else 0
    if total > limits.max_bytes:
        raise DataError(f"The file has {total:,} bytes; at most {limits.max_bytes:,} are fetched.")
    return total


def _refuse_pages(response: http.client.HTTPResponse, url: str) -> None:
    if response.getheader("Content-Type", "").lower().startswith("text/html"):
        raise DataError(
            f"{url[:120]} is a web page, not the file itself; use the raw file's address "
            "(/resolve/ instead of /blob/, raw.githubusercontent.com instead of github.com)."
        )


def _copy(
    response: http.client.HTTPResponse, temporary: Path, expected: tuple[str, int, int], progress: Progress
) -> None:
    """Write what comes to `temporary`; `expected` is its name, its announced size and the most it may have."""
    name, total, max_bytes = expected
    deadline = time.monotonic() + DEADLINE_SECONDS
    done = 0
    with temporary.open("wb") as file:
        while chunk := _chunk(response, name):
            done += len(chunk)
            if done > max_bytes:
                raise DataError(f"{name} has more than {max_bytes:,} bytes, the most that is fetched.")
            if time.monotonic() > deadline:
                raise DataError(f"{name} is not here after {DEADLINE_SECONDS // 60} minutes; download it by hand.")
            file.write(chunk)
            progress(done, max(total, done), OfBytes(f"Downloading {name}"))
    if done < total or not done:
        raise DataError(f"{name}: the host sent {done:,} of {total:,} bytes; try again.")


def _chunk(response: http.client.HTTPResponse, name: str) -> bytes:
    """What has come, without waiting for more: a slow host must not keep a cancel waiting."""
    try:
        return response.read1(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"The download of {name} broke off ({_reason(error)}); try again.") from None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {WAIT_SECONDS} seconds"
    return reason_of(error, 120)
