# SPDX-License-Identifier: Apache-2.0
"""Where an accelerator's worker runs: on this board, behind ssh, or on a board that PYNQ.remote serves.

Each is a function that starts a :class:`boards.session.Session`; the emulated board's is
:class:`boards.emulated.environment.EmulatedSession`. ssh is the system's own, with its keys, agents and known hosts:
nothing is asked, and an unknown host is refused.
"""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from boards.session import Session
from hwsim.errors import BoardError, InputError, ToolMissing

WORKER = ("-m", "driver.worker", ".")
#: Python of pynq's SD card images (github:Xilinx/PYNQ, sdbuild/packages/pynq).
BOARD_PYTHON = "/usr/local/share/pynq-venv/bin/python"
_OPTIONS = ("-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10")
_COPY_S = 300.0
_REFUSALS = (  # what OpenSSH says → what it means and what to do
    ("Host key verification failed", "its host key is unknown or has changed; connect once by hand: ssh {host}"),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "its host key has changed; see ssh-keygen -R {host}"),
    ("Permission denied", "no key is accepted; copy yours: ssh-copy-id {host}"),
    ("Could not resolve hostname", "the name is unknown; check it, or give an address such as xilinx@192.168.2.99"),
    ("Connection refused", "nothing listens there; is the board on, and ssh enabled?"),
    ("Connection timed out", "it does not answer; is the board on and in this network?"),
    ("No route to host", "it does not answer; is the board on and in this network?"),
    ("command not found", "its Python is not where pynq's images have it; name it: --python"),
    ("sudo: a password is required", "root needs a password; allow it: NOPASSWD in /etc/sudoers, or log in as root"),
)


def local(folder: Path | str) -> Session:
    """A worker on the board that this runs on, as the present user.

    Args:
        folder: an unpacked bundle.

    Raises:
        BoardError: the board says that it failed.
    """
    return Session([sys.executable, *WORKER], "this board", folder=folder)


@dataclass(frozen=True)
class Host:
    """A board behind ssh: ``name`` as ssh takes it, such as xilinx@192.168.2.99, and where its Python is.

    Raises:
        InputError: the name could be taken for an option.
    """

    name: str
    python: str = BOARD_PYTHON
    root: str = "slimfab-bundles"
    become_root: bool = True

    def __post_init__(self) -> None:
        if re.fullmatch(r"[A-Za-z0-9_.:@%\[\]-]+", self.name) is None or self.name.startswith("-"):
            raise InputError(f"ssh: got host '{self.name}'; expected a name such as xilinx@192.168.2.99")

    def command(self, *remote: str) -> list[str]:
        """What runs a command there; its words are quoted for the shell on the other side."""
        return ["ssh", *_OPTIONS, self.name, shlex.join(remote)]


def ssh(folder: Path | str, host: Host) -> Session:
    """Copy an unpacked bundle to a board and start its worker there.

    Raises:
        ToolMissing: this machine has no ssh.
        BoardError: the board cannot be reached, refuses, or says that it failed.
    """
    if shutil.which("ssh") is None:
        raise ToolMissing("ssh is not installed; deploying to another machine needs it; apt-get install openssh-client")
    place = f"{host.root}/{Path(folder).name}"
    _run(host, ("mkdir", "-p", place))
    _run(host, ("tar", "-x", "-C", place), _archive(Path(folder)))
    start = f"cd {shlex.quote(place)} && exec {shlex.join(_worker(host))}"
    try:
        return Session(host.command("sh", "-lc", start), host.name)
    except BoardError as error:
        raise BoardError(_explained(host, str(error)), error.kind) from error


def _worker(host: Host) -> list[str]:
    return [*(("sudo", "-n", "-E") if host.become_root else ()), host.python, *WORKER]


def _archive(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.add(path, path.relative_to(folder).as_posix(), recursive=False)
    return buffer.getvalue()


def _run(host: Host, remote: tuple[str, ...], data: bytes = b"") -> None:
    try:
        done = subprocess.run(host.command(*remote), input=data, capture_output=True, timeout=_COPY_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise BoardError(f"{host.name}: no answer within {_COPY_S:g} s; check its network", "ConnectionLost") from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise BoardError(_explained(host, f"{host.name}: {words}"), "ConnectionLost")


def _explained(host: Host, words: str) -> str:
    for pattern, remedy in _REFUSALS:
        if pattern in words:
            return f"{host.name}: {pattern.lower()}: {remedy.format(host=host.name)}"
    return words if words.startswith(host.name) and "\n" not in words else f"{host.name}: {words.splitlines()[-1]}"
