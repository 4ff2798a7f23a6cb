# SPDX-License-Identifier: Apache-2.0
"""Running stages so that nothing is done twice and nothing is half done.

Every stage has a folder ``NN-name`` and a key: a hash of its part of the recipe and of the keys of the stages it
needs. ``done.json`` with that key is written last. A rerun skips stages whose key is there, a changed recipe redoes
only what depends on the change, and a stage that was killed starts again (training continues from its checkpoint).
"""

import fcntl
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hwsim import serial
from hwsim.errors import OutputError, SlimfabError
from slimfab.recipe import Recipe

Summary = dict[str, Any]


class Listener(Protocol):
    """Who is told how a run goes; the command line shows progress bars with it."""

    def started(self, index: int, total: int, title: str) -> None: ...

    def advanced(self, fraction: float, text: str) -> None: ...

    def finished(self, title: str, summary: Summary, seconds: float, cached: bool) -> None: ...


class Silent:
    """A listener that says nothing."""

    def started(self, index: int, total: int, title: str) -> None:
        """Ignore."""

    def advanced(self, fraction: float, text: str) -> None:
        """Ignore."""

    def finished(self, title: str, summary: Summary, seconds: float, cached: bool) -> None:
        """Ignore."""


@dataclass(frozen=True)
class Stage:
    """One step of a run.

    ``config`` picks what of the recipe (and of files it names) the result depends on; ``run`` writes into
    ``run.folder(name)`` and returns a small summary. ``version`` changes when the code's results change.
    """

    name: str
    title: str
    run: Callable[["Run"], Summary]
    config: Callable[[Recipe], Any]
    needs: tuple[str, ...] = ()
    version: int = 1


@dataclass
class Run:
    """A recipe being run in a folder; stages reach each other's results through it."""

    recipe: Recipe
    root: Path
    listener: Listener
    stages: Sequence[Stage]
    memory: dict[str, Any] = field(default_factory=dict)  # results kept between stages of this process

    def folder(self, stage: str) -> Path:
        """The folder of a stage."""
        index = [s.name for s in self.stages].index(stage)
        return self.root / f"{index + 1:02d}-{stage}"

    def summary(self, stage: str) -> Summary:
        """What a finished stage returned."""
        done = serial.read_json(self.folder(stage) / "done.json")
        return dict(done["summary"])

    def remember(self, name: str, load: Callable[[], Any]) -> Any:
        """``load()``, once per process."""
        if name not in self.memory:
            self.memory[name] = load()
        return self.memory[name]

    def progress(self, text: str) -> Callable[[int, int], None]:
        """A callback ``(done, total)`` that reports under ``text``."""
        return lambda done, total: self.listener.advanced(done / max(total, 1), text)


def execute(run: Run, until: str | None = None, before: Callable[[], None] = lambda: None) -> None:
    """Run all stages (or up to ``until``), skipping those whose results are there.

    ``before`` is called once the folder belongs to this run.

    Raises:
        OutputError: the folder cannot be written or another run uses it.
    """
    with _locked(run.root):
        before()
        keys: dict[str, str] = {}
        for index, stage in enumerate(run.stages):
            keys[stage.name] = _key(stage, run.recipe, keys)
            _execute_stage(run, stage, index, keys[stage.name])
            if stage.name == until:
                break


def _execute_stage(run: Run, stage: Stage, index: int, key: str) -> None:
    folder = run.folder(stage.name)
    run.listener.started(index, len(run.stages), stage.title)
    done = _read(folder / "done.json")
    if done.get("key") == key:
        run.listener.finished(stage.title, done["summary"], done["seconds"], cached=True)
        return
    _prepare(folder, key)
    start = time.monotonic()
    try:
        summary = stage.run(run)
    except OSError as error:  # a full disk inside a library that does not know our errors
        raise OutputError(
            f"{folder}: stage '{stage.name}' cannot write ({error.strerror or error}); free some space and run again"
        ) from error
    seconds = round(time.monotonic() - start, 3)
    serial.write_json(folder / "done.json", {"key": key, "seconds": seconds, "summary": summary})
    run.listener.finished(stage.title, summary, seconds, cached=False)


def _prepare(folder: Path, key: str) -> None:
    """Keep what an interrupted run of the same key left (checkpoints); clear anything else."""
    try:
        if folder.exists() and _read(folder / "started.json").get("key") != key:
            shutil.rmtree(folder)
        (folder / "done.json").unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot clear old results ({error.strerror}); choose another --output") from error
    serial.write_json(folder / "started.json", {"key": key})


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        data = serial.read_json(path)
    except SlimfabError:
        return {}  # a damaged marker means: not done
    return data if isinstance(data, dict) else {}


def _key(stage: Stage, recipe: Recipe, keys: Mapping[str, str]) -> str:
    parts = {
        "stage": stage.name,
        "version": stage.version,
        "config": stage.config(recipe),
        "needs": [keys[name] for name in stage.needs],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold the folder for this process; a second run in it is told so."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / ".lock").open("w")
    except OSError as error:
        raise OutputError(f"{root}: cannot write ({error.strerror}); choose another --output") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(
                f"{root}: another run uses this folder; wait for it or choose another --output"
            ) from error
        yield


def file_hash(path: Path | None) -> str | None:
    """SHA-256 of a file's content, None for no file; goes into keys so that a changed file is noticed."""
    if path is None or not path.is_file():
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()
