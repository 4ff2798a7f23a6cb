# SPDX-License-Identifier: Apache-2.0
"""A session with an accelerator on a board, wherever that is: requests to a worker, and its answers.

The worker (:mod:`boards.driver.worker`) is the same on a board, behind ssh and on the emulated board; what differs is
the command that starts it.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from boards.driver import wire
from hwsim.errors import BoardError

START_S = 120.0
ANSWER_S = 600.0
_LAST_WORDS = 2000  # characters


class Session:
    """A worker that has loaded its accelerator and tested it against the golden vectors.

    Args:
        command: starts the worker.
        where: names the board in errors.
        start_s, answer_s: how long it may take to be ready, and to answer.

    Raises:
        BoardError: the worker cannot be started, or says that its board failed; ``kind`` names the error.
    """

    def __init__(
        self,
        command: Sequence[str],
        where: str,
        *,
        folder: Path | str | None = None,
        environment: Mapping[str, str] | None = None,
        start_s: float = START_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        self.where, self._answer_s = where, answer_s
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the session)
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words, cwd=folder, env=environment
            )
        except OSError as error:
            self._words.close()
            raise BoardError(
                f"{where}: cannot start {command[0]} ({error.strerror}); expected a program; install it",
                "ConnectionLost",
            ) from error
        try:
            self.about = self._answer(start_s)[0]
        except BaseException:
            self.close()
            raise

    def run(self, x: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """(N, *input shape) integers or real numbers → (N, *output shape) integers.

        Raises:
            BoardError: by its ``kind``; ``results`` are those of the images before the error.
        """
        return self.ask("run", {}, np.asarray(x))[1][0].astype(np.int64)

    def counters(self) -> dict[str, int]:
        """The design's registers by name."""
        return cast(dict[str, int], self.ask("counters")[0]["counters"])

    def ask(
        self, what: str, fields: Mapping[str, Any] | None = None, *arrays: npt.NDArray[Any]
    ) -> tuple[dict[str, Any], list[npt.NDArray[Any]]]:
        """Send a request and wait for the answer.  Raises BoardError, by its ``kind``."""
        try:
            wire.send(cast(BinaryIO, self._process.stdin), {**(fields or {}), "do": what}, *arrays)
        except OSError as error:
            raise self._lost() from error
        return self._answer(self._answer_s)

    def close(self) -> None:
        """End the worker."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._words.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, seconds: float) -> tuple[dict[str, Any], list[npt.NDArray[Any]]]:
        # A worker that hangs is ended, so that reading its answer ends too.
        watch = threading.Timer(seconds, self._process.kill)
        watch.start()
        try:
            answer, arrays = wire.receive(cast(BinaryIO, self._process.stdout))
        except (EOFError, ValueError, OSError) as error:
            raise self._lost() from error
        finally:
            watch.cancel()
        if not answer.get("ok"):
            raise BoardError(
                f"{self.where}: {answer.get('error')}", str(answer.get("kind")), arrays[0] if arrays else None
            )
        return answer, arrays

    def _lost(self) -> BoardError:
        self._process.kill()
        code = self._process.wait()
        text = ""
        if not self._words.closed:
            self._words.seek(0)
            text = self._words.read().decode(errors="replace")[-_LAST_WORDS:].strip()
        last = text.splitlines()[-1] if text else f"exit code {code}"
        return BoardError(f"{self.where}: connection lost ({last}); start it again", "ConnectionLost")
