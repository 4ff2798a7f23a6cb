# SPDX-License-Identifier: Apache-2.0
"""Opening ONNX files: what is read, and one clear line for everything that is not one."""

import contextlib
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import floats, node, write

from hwsim.errors import InputError, ModelFileError, ToolMissing, UnsupportedError
from hwsim.importers.onnx import import_onnx
from hwsim.importers.onnx_file import read_graph

DENSE = [node("MatMul", ["x", "w"], ["z"]), node("Relu", ["z"], ["y"])]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path, DENSE, {"w": floats(7, 5)}, ("N", 7))


def message_of(path: Path) -> str:
    with pytest.raises(ModelFileError) as raised:
        read_graph(path)
    return str(raised.value).replace(f"{path}: ", "")


def test_graph(path: Path) -> None:
    graph = read_graph(path)
    assert graph.inputs == {"x": (1, 7)}
    assert graph.outputs == ("y",)
    assert graph.opset == 17
    np.testing.assert_array_equal(graph.constants["w"], floats(7, 5))


def test_nodes_without_a_name_or_with_one_name_are_told_apart(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["a"]), node("Relu", ["a"], ["b"], "r"), node("Relu", ["b"], ["y"], "r")]
    assert [n.name for n in read_graph(write(tmp_path, nodes)).nodes] == ["Relu_0", "r", "r_2"]


def test_a_batch_may_be_open_or_fixed(tmp_path: Path) -> None:
    for batch in ("N", 1, 64):
        network, _ = import_onnx(write(tmp_path, DENSE, {"w": floats(7, 5)}, (batch, 7)))
        assert network.tensors["x"].shape == (7,)


def test_functions_are_inlined(tmp_path: Path) -> None:
    path = write(tmp_path, [node("Twice", ["x"], ["y"], domain="mine")], domains=["mine"])
    model = onnx.load(path)
    body = [node("Relu", ["a"], ["r"]), node("Add", ["r", "r"], ["b"])]
    model.functions.append(helper.make_function("mine", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 17)]))
    onnx.save(model, path)
    network, _ = import_onnx(path)
    assert [layer.op for layer in network.layers] == ["input", "relu", "add"]


# Files that are no ONNX files


def test_missing(tmp_path: Path) -> None:
    assert message_of(tmp_path / "no.onnx") == "cannot be read (No such file or directory); expected an ONNX file"
    assert message_of(tmp_path) == "cannot be read (Is a directory); expected an ONNX file"


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    assert message_of(tmp_path / "model.onnx") == "is empty; expected an ONNX file; export or download it again"


def test_every_truncation_is_noticed(path: Path) -> None:
    data = path.read_bytes()
    for length in range(len(data) - 1, 0, -3):
        path.write_bytes(data[:length])
        with pytest.raises(InputError) as raised:
            import_onnx(path)
        assert "\n" not in str(raised.value)


def test_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])
    assert message_of(path) == (
        "is not an ONNX file, or is truncated or corrupt (100 bytes); expected an ONNX protobuf; export or "
        "download it again"
    )


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_never_escapes_as_another_error(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(path.read_bytes())
    for position in rng.integers(0, len(data), 4):
        data[position] = int(rng.integers(0, 256))
    path.write_bytes(data)
    with contextlib.suppress(InputError):
        import_onnx(path)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"\x80\x04\x95\x05", "is a pickle, which is never opened because that runs its code; expected an ONNX "
         "file; export the model with torch.onnx.export or brevitas.export.export_qonnx"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file; expected an ONNX file; convert a Keras model with tf2onnx"),
        (b"\x20\0\0\0TFL3", "is a TensorFlow Lite file; expected an ONNX file; convert it with tf2onnx --tflite"),
        (b"import torch\n", "is not an ONNX file, or is truncated or corrupt (13 bytes); expected an ONNX "
         "protobuf; export or download it again"),
    ],
)  # fmt: skip
def test_other_kinds_of_file(tmp_path: Path, head: bytes, message: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(head)
    assert message_of(path) == message


class Bomb:
    """Unpickling it creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_are_not_opened(tmp_path: Path, protocol: int) -> None:
    marker, path = tmp_path / "was-run", tmp_path / "model.pt"
    payload = pickle.dumps(Bomb(marker), protocol)
    path.write_bytes(payload)
    assert "expected an ONNX" in message_of(path)
    with zipfile.ZipFile(path, "w") as archive:  # the form that torch.save writes
        archive.writestr("model/data.pkl", payload)
    assert message_of(path) == (
        "is a zip archive (torch.save writes these; what it holds is not opened); expected an ONNX file; export "
        "the model with torch.onnx.export or brevitas.export.export_qonnx"
    )
    assert not marker.exists()
    pickle.loads(payload)
    assert marker.exists()


# Files that are, but say too little


def test_no_nodes(path: Path) -> None:
    model = onnx.load(path)
    del model.graph.node[:]
    onnx.save(model, path)
    assert message_of(path) == (
        "holds 0 nodes, 1 inputs and 1 outputs; expected at least one of each; the file is truncated, export it again"
    )


def test_damaged_initialiser(path: Path) -> None:
    model = onnx.load(path)
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-2]
    onnx.save(model, path)
    assert message_of(path).startswith("tensor 'w' is damaged (")
    assert message_of(path).endswith("); the file is truncated or corrupt, export it again")


def test_external_data(path: Path) -> None:
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    np.testing.assert_array_equal(read_graph(path).constants["w"], floats(7, 5))
    (path.parent / "weights.bin").unlink()
    assert message_of(path) == (
        "weights of 'w' are in 'weights.bin', which is missing; expected it beside the model; copy it there or "
        "export into a single file"
    )


def test_external_data_outside_the_folder(path: Path) -> None:
    (path.parent / "sub").mkdir()
    model = onnx.load(path)
    inner = path.parent / "sub" / "model.onnx"
    onnx.save(model, inner, save_as_external_data=True, location="weights.bin", size_threshold=0)
    inner.with_name("weights.bin").rename(path.parent / "weights.bin")
    data = inner.read_bytes().replace(b"weights.bin", b"../weights!")
    (path.parent / "weights.bin").rename(path.parent / "weights!")
    inner.write_bytes(data)
    assert message_of(inner).startswith("external data cannot be read (")


def test_sparse_weights(path: Path) -> None:
    model = onnx.load(path)
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [3]))
    onnx.save(model, path)
    with pytest.raises(
        UnsupportedError, match=r": sparse initialiser 's'; expected dense ones; store the weights densely$"
    ):
        read_graph(path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (("N", 3, "H", "W"), "x: input dimension 'H' is symbolic; expected a number (only the batch may be open); "
         "re-export with fixed H, W"),
        (("N", "F"), "x: input dimension 'F' is symbolic; expected a number (only the batch may be open); "
         "re-export with fixed features"),
        ((1, 0, 4, 4), "x: input dimension '#1' is symbolic; expected a number (only the batch may be open); "
         "re-export with fixed H, W"),
    ],
)  # fmt: skip
def test_symbolic_dimensions(tmp_path: Path, shape: tuple, message: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        read_graph(write(tmp_path, [node("Relu", ["x"], ["y"])], shape=shape))
    assert str(raised.value) == message


def test_input_without_a_shape(path: Path) -> None:
    model = onnx.load(path)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, None))
    onnx.save(model, path)
    with pytest.raises(UnsupportedError) as raised:
        read_graph(path)
    assert str(raised.value) == "x: input has no shape; expected fixed dimensions; re-export with an example input"


def test_without_the_onnx_package(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ToolMissing, match=r": reading it needs the onnx package; pip install 'slimfab\[quant\]'$"):
        read_graph(path)
