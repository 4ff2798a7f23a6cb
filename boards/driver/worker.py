# SPDX-License-Identifier: Apache-2.0
"""The board's end of a session: ``python -m driver.worker FOLDER`` answers requests on its standard input.

Whatever else is printed goes to the standard error; an error is an answer, and the worker goes on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .accelerator import Accelerator
from .errors import BoardError
from .manifest import load
from .measure import Settings, measure, window
from .power import find_rails
from .preflight import Machine, check
from .wire import receive, send

#: A request's fields and arrays → an answer's.
Answer = tuple[dict[str, Any], list[np.ndarray]]
Handler = Callable[[Accelerator, dict[str, Any], list[np.ndarray]], Answer]


def _run(accelerator: Accelerator, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
    return {}, [accelerator.run(arrays[0])]


def _counters(accelerator: Accelerator, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
    return {"counters": accelerator.counters()}, []


def _self_test(accelerator: Accelerator, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
    return {"images": accelerator.self_test()}, []


def _clock(accelerator: Accelerator, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
    return {"clock_mhz": accelerator.check_clock()}, []


def _measure(accelerator: Accelerator, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
    return measure(accelerator, arrays[0], Settings(**request["settings"]))


def _rails(accelerator: Accelerator, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
    return {"rails": [rail.name for rail in find_rails()]}, []


def _window(accelerator: Accelerator, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
    return window(accelerator, arrays[0], float(request["seconds"]), busy=bool(request["busy"])), []


HANDLERS: Mapping[str, Handler] = {
    "run": _run,
    "counters": _counters,
    "self_test": _self_test,
    "clock": _clock,
    "measure": _measure,
    "rails": _rails,
    "window": _window,
}


def serve(
    make: Callable[[], Accelerator], source: BinaryIO, target: BinaryIO, more: Mapping[str, Handler] | None = None
) -> None:
    """Make an accelerator, say how that went, then answer requests until the host is gone."""
    try:
        accelerator = make()
    except BoardError as error:
        send(target, _failure(error))
        return
    about = {"clock_mhz": accelerator.clock_mhz, "max_images": accelerator.max_images, "python": sys.version.split()[0]}
    send(target, {"ok": True, **about, **_versions()})
    handlers = {**HANDLERS, **(more or {})}
    while True:
        try:
            request, arrays = receive(source)
        except EOFError:
            accelerator.close()
            return
        try:
            answer, results = handlers[request["do"]](accelerator, request, arrays)
        except BoardError as error:
            send(target, _failure(error), *([] if error.results is None else [error.results]))
        else:
            send(target, {"ok": True, **answer}, *results)


def binary_ends() -> tuple[BinaryIO, BinaryIO]:
    """Standard input, and standard output for answers alone: what others print goes to the standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return sys.stdin.buffer, answers


def _failure(error: BoardError) -> dict[str, Any]:
    return {"ok": False, "kind": type(error).__name__, "error": str(error)}


def _versions() -> dict[str, str]:
    import pynq

    return {"pynq": pynq.__version__, "numpy": np.__version__}


def main(folder: Path) -> None:
    """Serve the bundle of a folder on the board that this runs on."""

    def make() -> Accelerator:
        check(load(folder), Machine.found())
        return Accelerator(folder)

    serve(make, *binary_ends())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
