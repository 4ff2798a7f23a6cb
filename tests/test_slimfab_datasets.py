# SPDX-License-Identifier: Apache-2.0
"""Data sets: contents, fixed splits, checksums, and every way in which a file can be wrong."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwsim.errors import DatasetError, UnknownNameError
from hwsim.fixed import FixedPoint
from slimfab import datasets
from slimfab.datasets import cifar10, mnist
from slimfab.datasets.idx import parse_idx
from slimfab.datasets.mnist import IdxFile, IdxSet, load_idx_set
from slimfab.datasets.record import Dataset, Split

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.trace,)  # type: ignore[return-value]


def idx_bytes(array: np.ndarray) -> bytes:
    """An array of bytes as an IDX file."""
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def small_idx_set(folder: Path, labels_below: int = 10) -> IdxSet:
    """A data set of 2×3 images like MNIST, its first file plain, the others gzip, in ``folder``."""
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, 256, (5100, 2, 3), np.uint8),
        rng.integers(0, labels_below, 5100, np.uint8),
        rng.integers(0, 256, (40, 2, 3), np.uint8),
        rng.integers(0, labels_below, 40, np.uint8),
    ]
    files = []
    folder.mkdir(parents=True, exist_ok=True)
    for index, (file, array) in enumerate(zip(mnist.MNIST.files, arrays, strict=True)):
        content = idx_bytes(array)
        packed = gzip.compress(content, mtime=0)
        (folder / (file.name if index == 0 else f"{file.name}.gz")).write_bytes(content if index == 0 else packed)
        files.append(
            IdxFile(file.name, array.shape, hashlib.sha256(content).hexdigest(), hashlib.sha256(packed).hexdigest())
        )
    return replace(mnist.MNIST, files=tuple(files))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fashion() -> Dataset:
    if not DEBIAN.exists():
        pytest.skip("needs fashion-mnist")
    return datasets.load("fashion_mnist")


def test_fashion_mnist_is_the_published_one(fashion: Dataset) -> None:
    assert [len(s) for s in (fashion.train, fashion.val, fashion.test)] == [55000, 5000, 10000]
    assert fashion.shape == (1, 28, 28)
    assert np.bincount(fashion.test.y).tolist() == [1000] * 10
    assert (np.bincount(fashion.train.y) + np.bincount(fashion.val.y)).tolist() == [6000] * 10
    assert [fashion.class_names[label] for label in fashion.train.y[:3]] == ["Ankle boot", "T-shirt/top", "T-shirt/top"]
    # 0.2860 and 0.3530 of pixel / 255 over all 60,000 images (customary constants); ours are pixel / 256 over 55,000.
    assert fashion.mean[0] * 256 / 255 == pytest.approx(0.2860, abs=5e-4)
    assert fashion.std[0] * 256 / 255 == pytest.approx(0.3530, abs=5e-4)


def test_fashion_mnist_validates_on_the_end_of_the_training_file(fashion: Dataset) -> None:
    whole = parse_idx(DEBIAN, gzip.decompress((DEBIAN / "train-images-idx3-ubyte.gz").read_bytes()))
    assert np.array_equal(fashion.val.x[:, 0], whole[-5000:])
    assert np.array_equal(fashion.train.x[:, 0], whole[:55000])


def test_the_hardware_gets_raw_pixels(fashion: Dataset) -> None:
    real, labels = fashion.as_float("val")
    ints, _ = fashion.as_ints("val")
    assert real.dtype == np.float32
    assert np.array_equal(fashion.input_format.quantise(real), ints)
    assert np.array_equal(ints, fashion.val.x)
    assert (fashion.input_range, float(real.max())) == ((0.0, 255 / 256), 255 / 256)
    assert np.array_equal(labels, fashion.val.y)


def test_a_truncated_label_file_is_named(fashion: Dataset, tmp_path: Path) -> None:
    for file in DEBIAN.glob("*.gz"):
        (tmp_path / file.name).symlink_to(file)
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    labels.unlink()
    labels.write_bytes((DEBIAN / labels.name).read_bytes()[:20000])
    with pytest.raises(DatasetError, match=r"train-labels-idx1-ubyte\.gz: not a complete gzip file .* replace it"):
        datasets.load("fashion_mnist", tmp_path)


def test_digits_need_no_files() -> None:
    data = datasets.load("digits")
    assert [len(s) for s in (data.train, data.val, data.test)] == [1257, 180, 360]
    assert data.shape == (1, 8, 8)
    real, _ = data.as_float("train")
    assert (real.min(), real.max()) == (0.0, 1.0)
    assert np.array_equal(data.input_format.quantise(real), data.train.x)
    assert data.mean[0] == pytest.approx(real.mean(dtype=np.float64))
    assert data.std[0] == pytest.approx(real.std(dtype=np.float64))


def test_idx_sets_load_plain_and_gzip(tmp_path: Path) -> None:
    spec = small_idx_set(tmp_path / "mnist")
    data = load_idx_set(spec, tmp_path, False, None)  # found in the subfolder
    assert (len(data.train), len(data.val), len(data.test), data.shape) == (100, 5000, 40, (1, 2, 3))
    assert np.array_equal(data.train.x, load_idx_set(spec, tmp_path / "mnist", False, None).train.x)


def test_data_are_found_through_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = small_idx_set(tmp_path / "mnist")
    monkeypatch.setenv("SLIMFAB_DATA", str(tmp_path))
    assert len(load_idx_set(spec, None, False, None).test) == 40


def test_data_are_found_in_the_cache_and_in_system_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = small_idx_set(tmp_path / "slimfab" / "mnist")
    monkeypatch.delenv("SLIMFAB_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert len(load_idx_set(spec, None, False, None).test) == 40
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    system = replace(spec, system_folders=(tmp_path / "slimfab" / "mnist",))
    assert len(load_idx_set(system, None, False, None).test) == 40


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with nothing; expected 00 00 08"),
        (b"\x1f\x8b\x08\x00", "starts with 1f 8b 08 00; expected 00 00 08"),
        (bytes((0, 0, 13, 1)) + b"\0" * 8, "starts with 00 00 0d 01"),
        (idx_bytes(np.zeros((3, 2), np.uint8))[:-1], r"holds 17 bytes; expected 18 for an array of shape \(3, 2\)"),
        (idx_bytes(np.zeros((3, 2), np.uint8)) + b"x", "holds 19 bytes; expected 18"),
        (bytes((0, 0, 8, 3)), r"holds 4 bytes; expected 16 for an array of shape \(0, 0, 0\)"),
    ],
)
def test_idx_refuses(content: bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=f"images: .*{message}"):
        parse_idx(Path("images"), content)


def test_idx_errors_of_a_whole_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = small_idx_set(tmp_path)
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "t10k-labels-idx1-ubyte.gz"
    good_images, good_labels = images.read_bytes(), labels.read_bytes()

    def message() -> str:
        with pytest.raises(DatasetError) as raised:
            load_idx_set(spec, tmp_path, False, None)
        return str(raised.value)

    images.write_bytes(good_images[:-1] + bytes([good_images[-1] ^ 1]))
    assert f"{images}: SHA-256 of its content is " in message()
    images.write_bytes(idx_bytes(np.zeros((5099, 2, 3), np.uint8)))
    assert "got an array of shape (5099, 2, 3); expected (5100, 2, 3)" in message()
    images.write_bytes(good_images)
    labels.write_bytes(good_labels[:-9])
    assert "not a complete gzip file" in message()
    labels.write_bytes(good_labels[:30] + b"\xff\xff\xff\xff" + good_labels[34:])
    assert "not a complete gzip file" in message()
    labels.unlink()
    assert f"{tmp_path} lacks t10k-labels-idx1-ubyte; expected all of" in message()
    monkeypatch.delenv("SLIMFAB_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(DatasetError, match=r"mnist: not found in .*; give the folder with the files, or allow"):
        datasets.load("mnist")


def test_labels_out_of_range_are_refused(tmp_path: Path) -> None:
    spec = small_idx_set(tmp_path, labels_below=13)
    with pytest.raises(DatasetError, match="mnist, train: got labels 0 to 12; expected 0 to 9"):
        load_idx_set(spec, tmp_path, False, None)


def cifar_batches(records: int) -> dict[str, bytes]:
    rng = np.random.default_rng(1)
    data = rng.integers(0, 10, (6, records, cifar10.RECORD_BYTES), np.uint8)
    return {name: data[index].tobytes() for index, name in enumerate(cifar10.SHA256)}


def sums(batches: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in batches.items()}


def cifar_archive(path: Path, batches: dict[str, bytes]) -> str:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in batches.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_cifar10_records_and_splits() -> None:
    batches = cifar_batches(1001)
    data = cifar10.from_batches(batches, sums(batches))
    assert (len(data.train), len(data.val), len(data.test), data.shape) == (5, 5000, 1001, (3, 32, 32))
    record = batches["test_batch.bin"][: cifar10.RECORD_BYTES]
    assert data.test.y[0] == record[0]
    assert data.test.x[0, 1, 2, 3] == record[1 + 1024 + 2 * 32 + 3]  # green plane, row 2, column 3
    assert data.val.x[-1].tobytes() == batches["data_batch_5.bin"][-3072:]


def test_cifar10_archive(tmp_path: Path) -> None:
    batches = cifar_batches(2)
    path = tmp_path / cifar10.ARCHIVE
    assert cifar10.read_archive(path, cifar_archive(path, batches)) == batches
    with pytest.raises(DatasetError, match=r"binary\.tar\.gz: SHA-256 of its content is .*; expected c4a38c50"):
        datasets.load("cifar10", tmp_path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DatasetError, match="not a readable archive"):
        cifar10.read_archive(path, hashlib.sha256(path.read_bytes()).hexdigest())
    lacking = {name: content for name, content in batches.items() if name != "test_batch.bin"}
    with pytest.raises(DatasetError, match=r"not a readable archive .*test_batch\.bin"):
        cifar10.read_archive(path, cifar_archive(path, lacking))


def test_cifar10_files_are_checked(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    batches = cifar_batches(2)
    for name, content in batches.items():
        (folder / name).write_bytes(content)
    with pytest.raises(DatasetError, match=r"data_batch_1\.bin: SHA-256 of its content is .*; expected cee91656"):
        datasets.load("cifar10", tmp_path)
    with pytest.raises(DatasetError, match=r"data_batch_1\.bin: holds 6145 bytes; expected a multiple of 3073"):
        cifar10.from_batches(batches | {"data_batch_1.bin": batches["data_batch_1.bin"][:-1]}, sums(batches))


def test_pickled_cifar10_is_refused_and_never_opened(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(DatasetError, match="made of pickles and is never opened; expected the binary version"):
        datasets.load("cifar10", tmp_path)
    assert not trace.exists()


def user_arrays(**changes: object) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    arrays = {
        "x_train": rng.random((30, 4)),
        "y_train": np.arange(30) % 3,
        "x_test": rng.random((6, 4)),
        "y_test": np.arange(6) % 3,
    }
    return {name: value for name, value in (arrays | changes).items() if value is not None}  # type: ignore[misc]


def test_the_users_own_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "jets.npz", **user_arrays(class_names=np.array(["g", "q", "t"])))
    data = datasets.load(str(tmp_path / "jets.npz"))
    assert (data.name, data.shape, data.class_names, data.input_format) == ("jets", (4,), ("g", "q", "t"), None)
    assert [len(s) for s in (data.train, data.val, data.test)] == [27, 3, 6]
    assert np.array_equal(data.as_float("train")[0], user_arrays()["x_train"][:27].astype(np.float32))
    assert data.mean == pytest.approx(user_arrays()["x_train"][:27].mean(axis=0), abs=1e-6)
    assert data.input_range == (data.train.x.min(), data.train.x.max())
    with pytest.raises(DatasetError, match="jets: inputs are real numbers without a fixed-point format"):
        data.as_ints("test")


def test_the_users_own_pixels(tmp_path: Path) -> None:
    pixels = np.arange(36 * 16, dtype=np.uint8).reshape(36, 1, 4, 4)
    np.savez(
        tmp_path / "tiles.npz",
        **user_arrays(x_train=pixels[:30], x_test=pixels[:6], x_val=pixels[30:], y_val=np.zeros(6, int)),
    )
    data = datasets.load("tiles.npz", tmp_path)
    assert (len(data.train), len(data.val), data.input_format) == (30, 6, FixedPoint(8, 8, signed=False))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "lacks y_test; expected x_train, y_train, x_test, y_test"),
        ({"x_extra": np.zeros(3)}, "holds unknown x_extra"),
        ({"y_train": np.zeros(30)}, r"y_train is float64 of shape \(30,\); expected integer labels"),
        ({"x_val": np.zeros((3, 4))}, "y_val is nothing"),
        ({"x_train": np.zeros((30, 4), np.int32)}, "x_train is int32; expected uint8 pixels or floating point"),
        ({"x_train": np.full((30, 4), np.nan)}, "train: an example holds NaN or infinity"),
        ({"x_train": np.zeros((29, 4))}, "x_train has 29 examples and y_train 30 labels; expected as many"),
        ({"x_test": np.zeros((6, 5))}, r"test: got examples of shape \(5,\); expected \(F,\) or \(C, H, W\), the same"),
        ({"x_test": np.zeros((6, 4), np.uint8)}, "test: got uint8 examples; expected float32"),
        ({"y_test": np.arange(6) - 1}, "test: got labels -1 to 4; expected 0 to 4"),
        ({"class_names": np.array(["a", "b"])}, "train: got labels 0 to 2; expected 0 to 1"),
    ],
)
def test_wrong_arrays(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    np.savez(tmp_path / "mine.npz", **user_arrays(**changes))
    with pytest.raises(DatasetError, match=message) as raised:
        datasets.load("mine.npz", tmp_path)
    assert "\n" not in str(raised.value)


def test_wrong_npz_files(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    np.savez(tmp_path / "objects.npz", x_train=np.array([Bomb(trace)], dtype=object))
    (tmp_path / "bare.npz").write_bytes(pickle.dumps(Bomb(trace)))
    np.savez(tmp_path / "whole.npz", **user_arrays())
    (tmp_path / "half.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:500])
    for name in ("objects.npz", "bare.npz", "half.npz"):
        with pytest.raises(DatasetError, match=f"{name}: not a readable npz of plain arrays"):
            datasets.load(name, tmp_path)
    assert not trace.exists()
    with pytest.raises(DatasetError, match=r"none\.npz: no such file; expected an npz file with x_train"):
        datasets.load("none.npz", tmp_path)


def test_subset_is_drawn_from_the_seed() -> None:
    data = datasets.load("digits")
    first, again, other = (data.subset(100, seed) for seed in (5, 5, 6))
    assert np.array_equal(first.train.x, again.train.x)
    assert not np.array_equal(first.train.x, other.train.x)
    assert first.test is data.test
    assert np.array_equal(data.subset(1257, 0).train.x, data.train.x)
    for n_train in (0, 1258):
        with pytest.raises(DatasetError, match=f"digits: n_train={n_train}; expected 1 to 1257"):
            data.subset(n_train, 0)


def test_a_record_without_examples_is_refused() -> None:
    some, none = (Split(np.zeros((n, 3), np.float32), np.zeros(n, np.int64)) for n in (2, 0))
    with pytest.raises(DatasetError, match="empty, val: got 0 examples and 0 labels"):
        Dataset("empty", some, none, some, ("a",), None, "test")


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown data set 'fashion-mnist'; did you mean 'fashion_mnist'"):
        datasets.load("fashion-mnist")
    with pytest.raises(DatasetError, match="digits: unknown split 'validation'; available: test, train, val"):
        datasets.load("digits").as_float("validation")
    with pytest.raises(DatasetError, match=f"mnist: folder {tmp_path}/no does not exist"):
        datasets.load("mnist", tmp_path / "no")
