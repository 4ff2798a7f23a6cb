# SPDX-License-Identifier: Apache-2.0
"""Records survive JSON, arrays survive npz, writes happen or do not, and damage is named."""

import contextlib
import errno
import io
import os
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim import serial
from hwsim.errors import InputError, ModelFileError, OutputError


@dataclass(frozen=True)
class Folding:
    pe: int
    simd: int = 1


@dataclass(frozen=True)
class Design:
    device: str
    clock_mhz: float
    shape: tuple[int, ...] = ()
    stride: tuple[int, int] = (1, 1)
    foldings: Mapping[str, Folding] = field(default_factory=dict)
    fallback: Folding | None = None
    is_streamed: bool = False
    limit: int | str = 0
    notes: list[str] = field(default_factory=list)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    project: Path | None = None


FULL = Design(
    "pynq-z2",
    100.0,
    (3, 8, 8),
    (2, 1),
    {"conv1": Folding(4, 8), "fc": Folding(2)},
    Folding(1),
    True,
    "none",
    ["a", "b"],
    {"padding": (1, 1, 1, 1), "pairs": ((1, 2), (3, 4)), "deep": {"kernel": (3, 3)}, "low": -0.5, "name": None},
    Path("build/demo"),
)


def test_a_record_survives_json_with_its_tuples() -> None:
    assert serial.from_json(Design, serial.to_json(FULL)) == FULL
    assert serial.from_json(Design, serial.to_json(Design("d", 1.0))) == Design("d", 1.0)


def test_json_holds_plain_data_only() -> None:
    data = serial.to_json({"n": np.int64(3), "x": np.float32(0.5), "a": np.arange(3), "t": (1, (2,)), 5: Path("p/q")})
    assert data == {"n": 3, "x": 0.5, "a": [0, 1, 2], "t": [1, [2]], "5": "p/q"}
    assert [type(data[key]) for key in ("n", "x", "a")] == [int, float, list]


def test_a_whole_number_may_stand_for_a_real_one() -> None:
    design = serial.from_json(Design, {"device": "d", "clock_mhz": 100})
    assert (design.clock_mhz, type(design.clock_mhz)) == (100.0, float)


NESTED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60)
@given(attrs=st.dictionaries(st.text(max_size=2), NESTED, max_size=3))
def test_untyped_attributes_survive_json(attrs: dict[str, Any]) -> None:
    record = Design("d", 1.0, attrs=attrs)
    assert serial.from_json(Design, serial.to_json(record)) == record


def changed(**entries: Any) -> dict[str, Any]:
    return {**serial.to_json(FULL), **entries}


BAD_RECORDS = {
    "unknown key": (changed(devise="x"), "run.json: unknown key 'devise'; did you mean 'device'? (available: attrs, "),
    "unknown key far from all": (changed(zzz=1), "run.json: unknown key 'zzz'; available: attrs, "),
    "unknown nested key": (
        changed(foldings={"conv1": {"pe": 1, "sind": 2}}),
        "run.json.foldings.conv1: unknown key 'sind'; did you mean 'simd'? (available: pe, simd)",
    ),
    "missing key": ({"device": "d"}, "run.json: key 'clock_mhz' is missing; expected the fields device, clock_mhz, "),
    "missing nested key": (
        changed(fallback={}),
        "run.json.fallback: key 'pe' is missing; expected the fields pe, simd",
    ),
    "text for a number": (changed(clock_mhz="fast"), "run.json.clock_mhz: got 'fast'; expected a float"),
    "number for text": (changed(device=5), "run.json.device: got 5; expected a str"),
    "fraction for a whole number": (changed(fallback={"pe": 1.5}), "run.json.fallback.pe: got 1.5; expected a int"),
    "boolean for a number": (changed(fallback={"pe": True}), "run.json.fallback.pe: got True; expected a int"),
    "number for a boolean": (changed(is_streamed=1), "run.json.is_streamed: got 1; expected a bool"),
    "element of a list": (changed(shape=[3, "8"]), "run.json.shape[1]: got '8'; expected a int"),
    "wrong length": (changed(stride=[1, 1, 1]), "run.json.stride: got [1, 1, 1]; expected 2 values"),
    "number for a list": (changed(shape=8), "run.json.shape: got 8; expected a list"),
    "text for a list": (changed(notes="abc"), "run.json.notes: got 'abc'; expected a list"),
    "list for a mapping": (changed(foldings=[]), "run.json.foldings: got []; expected a mapping"),
    "list for a record": ([1, 2], "run.json: got [1, 2]; expected the fields of Design"),
    "null where nothing is optional": (changed(device=None), "run.json.device: got None; expected a str"),
    "null in a union without it": (changed(limit=None), "run.json.limit: got None; expected int | str"),
    "no branch of a union": (changed(limit=[1]), "run.json.limit: got [1]; expected a str"),
}


@pytest.mark.parametrize(("data", "message"), BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_a_bad_record_is_refused_with_the_path_to_the_fault(data: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        serial.from_json(Design, data, "run.json")


# Files


def leftovers(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_write_makes_folders_and_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "result.json"
    serial.atomic_write(target, "first")
    serial.atomic_write(target, b"second")
    assert target.read_bytes() == b"second"
    assert leftovers(target.parent) == ["result.json"]


def test_a_written_file_has_ordinary_permissions(tmp_path: Path) -> None:
    serial.atomic_write(tmp_path / "atomic", "x")
    (tmp_path / "plain").write_text("x")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    target = tmp_path / "result.json"
    serial.atomic_write(target, "old")

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os if failing == "fsync" else Path, failing, full)
    message = f"{target}: cannot write (No space left on device); choose a writable folder with free space"
    with pytest.raises(OutputError, match=f"^{re.escape(message)}$"):
        serial.atomic_write(target, "new")
    assert target.read_text() == "old"
    assert leftovers(tmp_path) == ["result.json"]


def test_an_interrupt_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        serial.atomic_write(tmp_path / "result.json", "new")
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_that_is_full_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fdopen = os.fdopen

    def on_full_device(handle: int, mode: str) -> Any:
        os.close(handle)
        return fdopen(os.open("/dev/full", os.O_WRONLY), mode)

    monkeypatch.setattr(os, "fdopen", on_full_device)
    with pytest.raises(OutputError, match="No space left on device"):
        serial.atomic_write(tmp_path / "result.json", "new")
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_an_unwritable_folder_is_reported() -> None:
    with pytest.raises(OutputError, match=re.escape("/proc/self/result.json: cannot write (")):
        serial.atomic_write("/proc/self/result.json", "not even root writes here")


def test_a_file_in_place_of_the_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("a file")
    with pytest.raises(OutputError, match=re.escape("build/run/result.json: cannot write (")):
        serial.write_json(tmp_path / "build" / "run" / "result.json", {})
    assert leftovers(tmp_path) == ["build"]


def test_a_folder_in_place_of_the_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "result.json").mkdir()
    with pytest.raises(OutputError, match=re.escape("result.json: cannot write (Is a directory)")):
        serial.write_json(tmp_path / "result.json", {})
    assert leftovers(tmp_path) == ["result.json"]


def test_json_files_are_read_back(tmp_path: Path) -> None:
    serial.write_json(tmp_path / "run.json", FULL)
    assert serial.from_json(Design, serial.read_json(tmp_path / "run.json")) == FULL


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON (Expecting value"),
        (b'{"a": 1', "not valid JSON (Expecting"),
        (b"\x80\x04\x95\x00", "not valid JSON ("),
        (b"[" * 200_000, "not valid JSON (maximum recursion depth"),
    ],
    ids=["empty", "truncated", "a pickle", "nested too deep"],
)
def test_a_damaged_json_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(ModelFileError, match=re.escape(f"run.json: {message}")):
        serial.read_json(tmp_path / "run.json")


@pytest.mark.parametrize("read", [serial.read_json, serial.load_arrays])
def test_a_missing_file_is_named(tmp_path: Path, read: Any) -> None:
    message = f"{tmp_path}/gone: cannot read (No such file or directory); check the path"
    with pytest.raises(ModelFileError, match=f"^{re.escape(message)}$"):
        read(tmp_path / "gone")


# Arrays

ARRAYS = {
    "stages.0.conv1.weight": np.arange(24, dtype=np.int64).reshape(2, 3, 2, 2),
    "scalar": np.array(1.5, dtype=np.float32),
    "empty": np.zeros((0, 3), dtype=np.int8),
    "transposed": np.arange(6.0).reshape(2, 3).T,
}


def test_arrays_keep_their_names_types_and_shapes(tmp_path: Path) -> None:
    serial.save_arrays(tmp_path / "weights.npz", ARRAYS)
    loaded = serial.load_arrays(tmp_path / "weights.npz")
    assert set(loaded) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(loaded[name], array)


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    serial.save_arrays(tmp_path / "a.npz", ARRAYS)
    serial.save_arrays(tmp_path / "b.npz", dict(reversed(ARRAYS.items())))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_numpy_reads_and_writes_the_same_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", w=np.arange(3))
    assert serial.load_arrays(tmp_path / "theirs.npz")["w"].tolist() == [0, 1, 2]
    serial.save_arrays(tmp_path / "ours.npz", {"w": np.arange(3)})
    with np.load(tmp_path / "ours.npz") as archive:
        assert archive["w"].tolist() == [0, 1, 2]


class Bomb:
    """Unpickling it would leave a mark."""

    def __reduce__(self) -> Any:
        return (os.mkdir, (Bomb.mark,))

    mark = ""


def pickled_npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, w=np.array([Bomb()], dtype=object))
    return buffer.getvalue()


def zip_of(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def good_npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, w=np.random.default_rng(0).integers(0, 1000, 5000))
    return buffer.getvalue()


def flipped(position: int) -> bytes:
    data = bytearray(good_npz())
    data[position] ^= 0xFF
    return bytes(data)


def plain_npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3))
    return buffer.getvalue()


def npy_with_header(header: str) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


BAD_ARCHIVES = {
    "truncated": (lambda: good_npz()[:-40], "File is not a zip file"),
    "cut in half": (lambda: good_npz()[:4000], "File is not a zip file"),
    "damaged inside": (lambda: flipped(300), ""),
    "damaged further inside": (lambda: flipped(3000), ""),
    "empty": (lambda: b"", "File is not a zip file"),
    "a pickle": (lambda: b"\x80\x04\x95\x02.", "File is not a zip file"),
    "pickled objects": (pickled_npz, "Object arrays cannot be loaded when allow_pickle=False"),
    "what torch.save writes": (lambda: zip_of("archive/data.pkl", b"\x80\x02}q\x00."), ""),
    "an npz member that is a pickle": (lambda: zip_of("w.npy", b"\x80\x04\x95" + bytes(32)), ""),
    "one npy array": (plain_npy, "File is not a zip file"),
    "an absurd shape": (
        lambda: zip_of("w.npy", npy_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (10**15,)}")),
        "",
    ),
    "a shape beyond memory": (
        lambda: zip_of("w.npy", npy_with_header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**15},)}}")),
        "",
    ),
}


@pytest.mark.parametrize(("content", "reason"), BAD_ARCHIVES.values(), ids=BAD_ARCHIVES)
def test_a_damaged_or_foreign_archive_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any, reason: str
) -> None:
    monkeypatch.setattr(Bomb, "mark", str(tmp_path / "unpickled"))
    (tmp_path / "weights.npz").write_bytes(content())
    with pytest.raises(ModelFileError) as caught:
        serial.load_arrays(tmp_path / "weights.npz")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/weights.npz: not a readable npz of plain arrays ({reason}")
    assert message.endswith("; write it with numpy.savez without object arrays")
    assert "\n" not in message
    assert not (tmp_path / "unpickled").exists()


@settings(deadline=None, max_examples=40)
@given(position=st.integers(0, len(good_npz()) - 1))
def test_no_flipped_byte_raises_anything_else(tmp_path_factory: pytest.TempPathFactory, position: int) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.npz"
    path.write_bytes(flipped(position))
    with contextlib.suppress(ModelFileError):
        serial.load_arrays(path)


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "deep" / "folder"
    with serial.replacing(target) as beside:
        (beside / "one").write_text("1")
    assert [path.name for path in target.iterdir()] == ["one"]

    def stopped_halfway():
        with serial.replacing(target) as beside:
            (beside / "two").write_text("2")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stopped_halfway()
    assert [path.name for path in target.iterdir()] == ["one"]
    with serial.replacing(target) as beside:
        (beside / "three").write_text("3")
    assert [path.name for path in target.iterdir()] == ["three"]
    assert [path.name for path in target.parent.iterdir()] == ["folder"]
