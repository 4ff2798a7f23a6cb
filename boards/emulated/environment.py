# SPDX-License-Identifier: Apache-2.0
"""Where pynq lives on this machine: an environment of its own, because it wants another numpy.

``make pynq`` makes it, at the versions of ``pynq.txt``. A folder with the few files that it shall see is laid out for
it, so that its numpy and ours never meet.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from boards.session import ANSWER_S, Session
from hwsim.errors import ToolMissing

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("4.0.0", "3.1.2")
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
        ToolMissing: the environment has not been made.
    """
    python, other = home() / "bin" / "python", home() / f"pynq-{version}"
    if not python.exists() or not (version == VERSIONS[0] or other.exists()):
        raise ToolMissing(f"pynq {version} is not installed in {home()}; the emulated board needs it; make pynq")
    return python, "" if version == VERSIONS[0] else str(other)


class EmulatedSession(Session):
    """A session with an emulated board; see :class:`boards.session.Session`.

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
        python, path = find_pynq(version)
        self._stage = tempfile.TemporaryDirectory(prefix="slimfab-pynq-")
        for name in _SHOWN:
            source, target = ROOT / name, Path(self._stage.name) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        paths = os.pathsep.join(filter(None, (self._stage.name, path)))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYNQ", "XILINX"))}
        command = [str(python), "-m", "boards.emulated.worker", str(Path(folder).resolve())]
        command += [] if max_images is None else [str(max_images)]
        environment = {**kept, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        super().__init__(command, "emulated board", folder=self._stage.name, environment=environment, answer_s=answer_s)

    def inject(self, kind: str, after: int = 0) -> None:
        """Let a fault happen, ``after`` transfers have passed well; see :data:`boards.emulated.faults.KINDS`."""
        self.ask("inject", {"kind": kind, "after": after})

    def close(self) -> None:
        """Switch the board off."""
        super().close()
        self._stage.cleanup()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
