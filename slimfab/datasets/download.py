# SPDX-License-Identifier: Apache-2.0
"""Downloads that are complete, checked and in place, or not there."""

import hashlib
import http.client
import io
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from hwsim.errors import DatasetError, OutputError

Progress = Callable[[str, int, int | None], None]
CHUNK_BYTES = 1 << 18


class _TooSlow(Exception):
    """The time for the whole download is over."""


def download(
    urls: Sequence[str],
    target: Path,
    sha256: str,
    progress: Progress | None = None,
    *,
    stall_s: float = 30.0,
    limit_s: float = 3600.0,
) -> None:
    """Fetch ``target`` from the first of ``urls`` that works, and check its SHA-256 before it gets its name.

    Bytes collect in ``target.part``; a later call continues where an interrupted one stopped, if the server can.
    A silence of ``stall_s`` seconds ends an attempt, ``limit_s`` seconds end the download.

    Raises:
        DatasetError: no address works, time is over, or the bytes are not the ones expected.
        OutputError: the folder cannot be written or the disk is full.
    """
    part = target.with_name(target.name + ".part")
    deadline = time.monotonic() + limit_s
    failures = []
    for url in urls:
        try:
            _fetch(url, part, target.name, progress, stall_s, deadline)
        except _TooSlow:
            raise DatasetError(
                f"{target.name}: download exceeds {limit_s:g} s; run again to continue it, "
                f"or put the file into {target.parent} by hand"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{url}: {_reason(error)}")
            continue
        return _install(part, target, sha256)
    raise DatasetError(
        f"{target.name}: download failed ({'; '.join(failures)}); expected a network connection; "
        f"run again, or put the file into {target.parent} by hand"
    )


def _fetch(url: str, part: Path, name: str, progress: Progress | None, stall_s: float, deadline: float) -> None:
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "slimfab"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        response = urllib.request.urlopen(request, timeout=stall_s)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # Nothing follows the bytes we have: they are the whole file, or wrong, which the checksum decides.
        error.close()
        return
    with response:
        if response.status != 206:
            done = 0  # the server sends the file from its beginning
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with _open(part, "a" if done else "w") as file:
            while chunk := response.read(CHUNK_BYTES):
                _write(file, chunk, part)
                done += len(chunk)
                if progress is not None:
                    progress(name, done, total)
                if time.monotonic() > deadline:
                    raise _TooSlow
    if total is not None and done < total:
        raise ConnectionError(f"connection ended after {done} of {total} bytes")


def _install(part: Path, target: Path, sha256: str) -> None:
    with part.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != sha256:
        part.unlink()
        raise DatasetError(
            f"{target.name}: downloaded bytes have SHA-256 {got[:12]}…; expected {sha256[:12]}…; "
            "nothing was kept; run again, or put the right file in place by hand"
        )
    part.replace(target)


def _open(part: Path, mode: str) -> io.FileIO:
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        return io.FileIO(part, mode)  # unbuffered: a full disk shows in the write, not when the file is closed
    except OSError as error:
        raise _cannot_write(part, error) from error


def _write(file: io.FileIO, chunk: bytes, part: Path) -> None:
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise _cannot_write(part, error) from error


def _cannot_write(part: Path, error: OSError) -> OutputError:
    return OutputError(f"{part}: cannot write ({error.strerror}); choose a writable folder with free space")


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    return str(getattr(error, "reason", None) or error or type(error).__name__).replace("\n", " ")
