# SPDX-License-Identifier: Apache-2.0
"""Where pynq lives on this machine: an environment of its own, because it wants another numpy.

``make pynq`` makes it, at the versions of ``pynq.txt``. A folder with the few files that it shall see is laid out for
it, so that its numpy and ours never meet.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from boards.session import ANSWER_S, Session
from hwsim.errors import BoardError, ToolMissing, UnknownNameError

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("4.0.0", "3.1.2", "3.0.1")
VARIABLE = "SLIMFAB_PYNQ"
_SHOWN = (
    "boards/__init__.py",
    "boards/driver",
    "boards/emulated",
    "hls/__init__.py",
    "hls/registers.py",
    "hls/rtl_worker.py",
)


def home() -> Path:
    """The environment's folder: that of the variable SLIMFAB_PYNQ, else ``.venv-pynq`` beside the packages."""
    return Path(os.environ.get(VARIABLE) or ROOT / ".venv-pynq")


def find_pynq(version: str = VERSIONS[0]) -> tuple[Path, str]:
    """Python with that pynq, and the search path that it needs.

    Raises:
        UnknownNameError: the emulated board is not made for that version.
        ToolMissing: the environment has not been made.
    """
    if version not in VERSIONS:
        raise UnknownNameError(f"pynq: got version {version}; expected one of {', '.join(VERSIONS)}; name one of these")
    python, other = home() / "bin" / "python", home() / f"pynq-{version}"
    if not python.exists() or not (version == VERSIONS[0] or other.exists()):
        raise ToolMissing(f"pynq {version} is not installed in {home()}; the emulated board needs it; make pynq")
    return python, "" if version == VERSIONS[0] else str(other)


class Stage:
    """A folder with the files that pynq's environment shall see, and what a command in it needs.

    Raises:
        ToolMissing: pynq is not installed.
    """

    def __init__(self, version: str = VERSIONS[0]) -> None:
        python, path = find_pynq(version)
        self._folder = tempfile.TemporaryDirectory(prefix="slimfab-pynq-")
        self.folder, self._python = Path(self._folder.name), str(python)
        for name in _SHOWN:
            source, target = ROOT / name, self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYNQ", "XILINX"))}
        paths = os.pathsep.join(filter(None, (str(self.folder), path)))
        self.environment = {**kept, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}

    def command(self, module: str, folder: Path | str, *arguments: object) -> list[str]:
        """What runs a module on a bundle's folder."""
        return [self._python, "-m", module, str(Path(folder).resolve()), *map(str, arguments)]

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()


class PynqSession(Session):
    """A session whose worker runs in pynq's environment on this machine; see :class:`boards.session.Session`."""

    def __init__(self, stage: Stage, command: list[str], where: str, answer_s: float) -> None:
        self._stage = stage
        super().__init__(command, where, folder=stage.folder, environment=stage.environment, answer_s=answer_s)

    def close(self) -> None:
        """End the worker."""
        super().close()
        self._stage.close()


class EmulatedSession(PynqSession):
    """A session with an emulated board.

    Args:
        folder: what :func:`boards.emulated.project.write_emulated` laid out.
        version: of pynq.
        max_images: in one transfer; as many as fit the driver's memory by default.
        answer_s: how long an answer may take.

    Raises:
        ToolMissing: pynq is not installed.
        BoardError: the board says that it failed.
    """

    def __init__(
        self,
        folder: Path | str,
        version: str = VERSIONS[0],
        *,
        max_images: int | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        stage = Stage(version)
        limit = [] if max_images is None else [max_images]
        super().__init__(stage, stage.command("boards.emulated.worker", folder, *limit), "emulated board", answer_s)

    def inject(self, kind: str, after: int = 0) -> None:
        """Let a fault happen, ``after`` transfers have passed well; see :data:`boards.emulated.faults.KINDS`."""
        self.ask("inject", {"kind": kind, "after": after})


def remote(folder: Path | str, address: str, port: int = 7967, *, answer_s: float = ANSWER_S) -> PynqSession:
    """A session with a board that PYNQ.remote serves; the port is PYNQ.remote's own by default.

    Raises:
        ToolMissing: pynq is not installed here.
        BoardError: nothing answers there, or the board says that it failed.
    """
    stage = Stage()
    return PynqSession(stage, stage.command("boards.driver.remote", folder, address, port), address, answer_s)


class RemoteBoard:
    """An emulated board that is served as PYNQ.remote serves one, on ``port`` of this machine, until it is closed.

    Raises:
        ToolMissing: pynq is not installed.
        BoardError: the server does not start.
    """

    def __init__(self, folder: Path | str) -> None:
        self._stage = Stage()
        command = self._stage.command("boards.emulated.remote", folder)
        self._process = subprocess.Popen(
            command,
            cwd=self._stage.folder,
            env=self._stage.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.strip().isdigit():
            self.close()
            raise BoardError("emulated board: PYNQ.remote's server did not start; see the messages above")
        self.port = int(line)

    def close(self) -> None:
        """Switch it off."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.kill()
        self._process.wait()
        self._stage.close()

    def __enter__(self) -> RemoteBoard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
