# SPDX-License-Identifier: Apache-2.0
"""Records to JSON and back, arrays to npz and back, and writes that either happen or do not.

JSON carries every record; nothing is ever pickled. A file is written beside its final name and then renamed,
so that a reader never sees half a file and a full disk never destroys the old one.
"""

import dataclasses
import io
import json
import os
import shutil
import tempfile
import types
import typing
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import numpy as np

from hwsim.errors import InputError, ModelFileError, OutputError
from hwsim.registry import suggest

R = TypeVar("R")
Json = Any


def to_json(value: Any) -> Json:
    """Turn a record (nested frozen dataclasses, mappings, tuples, numbers, strings) into plain JSON data."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    return value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def from_json(cls: type[R], data: Json, where: str = "record") -> R:
    """Rebuild a record of type ``cls``; unknown or missing keys are refused with the path to them.

    Raises:
        InputError: a key is unknown or missing, or a value has the wrong type.
    """
    return typing.cast(R, _build(cls, data, where))


def _build(hint: Any, data: Json, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _build_union(hint, data, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _build_record(hint, data, where)
    if origin is tuple:
        args = get_args(hint)
        _expect(isinstance(data, list | tuple), where, data, "a list")
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_build(args[0], v, f"{where}[{i}]") for i, v in enumerate(data))
        _expect(len(data) == len(args), where, data, f"{len(args)} values")
        return tuple(_build(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(args, data, strict=True)))
    if origin is list:
        _expect(isinstance(data, list), where, data, "a list")
        return [_build(get_args(hint)[0], v, f"{where}[{i}]") for i, v in enumerate(data)]
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        _expect(isinstance(data, Mapping), where, data, "a mapping")
        value_hint = get_args(hint)[1] if get_args(hint) else Any
        return {k: _build(value_hint, v, f"{where}.{k}") for k, v in data.items()}
    return _build_scalar(hint, data, where)


def _build_union(hint: Any, data: Json, where: str) -> Any:
    if data is None:
        _expect(type(None) in get_args(hint), where, data, str(hint))
        return None
    failure: InputError | None = None
    for option in get_args(hint):
        if option is type(None):
            continue
        try:
            return _build(option, data, where)
        except InputError as error:
            failure = error
    raise failure or InputError(f"{where}: got {data!r}; expected {hint}")


def _build_record(cls: type, data: Json, where: str) -> Any:
    _expect(isinstance(data, Mapping), where, data, f"the fields of {cls.__name__}")
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    for key in data:
        if key not in fields:
            raise InputError(f"{where}: unknown key '{key}'; {suggest(str(key), fields)}")
    hints = _hints(cls)
    arguments = {}
    for name, field in fields.items():
        if name in data:
            arguments[name] = _build(hints[name], data[name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InputError(f"{where}: key '{name}' is missing; expected the fields {', '.join(fields)}")
    try:
        return cls(**arguments)
    except InputError as error:  # the record's own checks do not know where it stands
        raise type(error)(f"{where}: {error}") from None


def _build_scalar(hint: Any, data: Json, where: str) -> Any:
    if hint is Any or not isinstance(hint, type):
        return _without_lists(data)
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if hint is Path and isinstance(data, str):
        return Path(data)
    matches = isinstance(data, hint) and not (isinstance(data, bool) and hint is not bool)
    _expect(matches, where, data, f"a {hint.__name__}")
    return data


def _without_lists(data: Json) -> Any:
    """Untyped data as records hold it: sequences are tuples, at every depth."""
    if isinstance(data, list | tuple):
        return tuple(_without_lists(v) for v in data)
    if isinstance(data, Mapping):
        return {k: _without_lists(v) for k, v in data.items()}
    return data


def _expect(condition: bool, where: str, got: Any, expected: str) -> None:
    if not condition:
        raise InputError(f"{where}: got {got!r}; expected {expected}")


def atomic_write(path: Path | str, data: bytes | str) -> None:
    """Write ``data`` to ``path`` completely or not at all; parent folders are made.

    Raises:
        OutputError: the folder cannot be written or the disk is full; an existing file stays as it was.
    """
    target = Path(path)
    payload = data.encode() if isinstance(data, str) else data
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{target}: cannot write ({reason}); choose a writable folder with free space") from error
    finally:  # also when interrupted; after the rename there is nothing left to remove
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@cache
def _umask() -> int:
    # The only portable way to read the umask is to set it; once, at the first write.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def write_json(path: Path | str, value: Any) -> None:
    """Write a record or plain data as indented JSON, atomically."""
    atomic_write(path, json.dumps(to_json(value), indent=1, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Json:
    """Read a JSON file.

    Raises:
        ModelFileError: the file is missing or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelFileError(f"{path}: cannot read ({error.strerror}); check the path") from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: not valid JSON ({error}); the file is damaged or of another kind") from error


def save_arrays(path: Path | str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as a compressed npz, atomically and reproducibly (same arrays, same bytes)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            data = io.BytesIO()
            np.lib.format.write_array(data, np.asarray(arrays[name], order="C"), allow_pickle=False)
            # A fixed time stamp keeps the bytes, and so every hash over them, reproducible.
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), data.getvalue(), zipfile.ZIP_DEFLATED
            )
    atomic_write(path, buffer.getvalue())


#: What a damaged or foreign archive makes zipfile, zlib and numpy raise.
_UNREADABLE = (ValueError, zipfile.BadZipFile, zlib.error, EOFError, MemoryError, RuntimeError)


def _read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def load_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Read an npz written by :func:`save_arrays`; pickled content is refused.

    Raises:
        ModelFileError: the file is missing, damaged, or holds pickled objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy"): _read_array(archive, name) for name in archive.namelist()}
    except OSError as error:
        raise ModelFileError(f"{path}: cannot read ({error.strerror}); check the path") from error
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelFileError(
            f"{path}: not a readable npz of plain arrays ({reason}); write it with numpy.savez without object arrays"
        ) from error


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary folder beside ``target`` that takes its place if the block succeeds.

    Raises:
        OutputError: it cannot be written; what was there stays.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise OutputError(f"{target}: cannot write ({error.strerror}); choose a writable folder") from error
    try:
        yield temporary
        temporary.chmod(0o755)
        if target.exists():
            retired = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
            os.replace(target, retired / "old")
            os.replace(temporary, target)
            shutil.rmtree(retired)
        else:
            os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"{target}: cannot write ({error.strerror}); choose a writable folder") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
