# SPDX-License-Identifier: Apache-2.0
"""The bench passes on emitted networks, and notices what is wrong: golden vectors, streams, registers."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hls_networks import Builder, corner_images
from test_hls_emit import ACT, BIAS, UNSIGNED, WEIGHT, design, tiny
from test_hls_rtl_sim import residual

from hls import bench as module
from hls.bench import bench, save_vectors
from hls.emit import emit
from hwsim.design import Design, Folding
from hwsim.errors import InputError, ModelFileError, ToolFailed, ToolMissing, VerifyError
from hwsim.network import Network, Weights

FRAMES = 6
Made = tuple[Network, Weights, Design]
needs_icarus = pytest.mark.needs("cocotb", "iverilog")


def perceptron() -> Made:
    draft = Builder((6,), ACT)
    x = draft.add("relu", draft.dense("x", 4, ACT, WEIGHT, BIAS), UNSIGNED)
    network, weights = draft.build(draft.dense(x, 3, ACT, WEIGHT), "perceptron")
    return network, weights, design(network, dense1=Folding(2, 2))


def written(folder: Path, made: Made) -> tuple[Path, Path]:
    """The folders of a design and of its vectors."""
    network, weights, _ = made
    emit(*made, folder / "design")
    save_vectors(network, weights, corner_images(network, 8)[-FRAMES:], folder / "vectors")
    return folder / "design", folder / "vectors"


def edited(folder: Path, file: str, old: str, new: str) -> None:
    """Change a source as if it had been written so."""
    text = (folder / file).read_text()
    assert text.count(old) == 1
    text = text.replace(old, new)
    (folder / file).write_text(text)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][file] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


CASES = {
    *(f"frames_pass/idle={idle}/stall={stall}" for idle in (0.0, 0.5) for stall in (0.0, 0.5)),
    "aresetn_in_flight",
    "reset_register_in_flight",
    "clear_starts_the_counters_anew",
    "nothing_enters_unless_enabled",
    "packets_of_frames",
    "a_wrong_tlast_is_an_error",
    "registers_answer",
    "register_channels_are_independent",
}


@needs_icarus
def test_a_perceptron_passes_every_case_on_icarus(tmp_path: Path) -> None:
    assert set(bench(*written(tmp_path, perceptron()), "icarus")) == CASES
    assert not (tmp_path / "design" / "bench.log").exists()


@pytest.mark.slow
@pytest.mark.needs("cocotb", "verilator", "iverilog", "g++")
@pytest.mark.parametrize("made", [perceptron, tiny, residual])
@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_networks_pass_on_both_simulators(simulator: str, made: Callable[[], Made], tmp_path: Path) -> None:
    assert set(bench(*written(tmp_path, made()), simulator)) == CASES


@needs_icarus
@pytest.mark.parametrize(
    ("file", "old", "new", "failing"),
    [
        ("stream_monitor.sv", "has_previous <= 1'b0;", "has_previous <= 1'b1;", "clear_starts_the_counters"),
        ("axi_lite.sv", "has_address & has_data & ~answered", "has_address & ~answered", "register_channels"),
        *(
            pytest.param(*fault, marks=pytest.mark.slow)
            for fault in (
                ("control.sv", "drain | (open &", "(open &", "reset_register_in_flight"),
                ("control.sv", "(open & core_s_axis_tready)", "core_s_axis_tready", "nothing_enters_unless_enabled"),
                ("control.sv", "(frame_out == last_frame)", "1'b1", "packets_of_frames"),
                ("control.sv", "if (s_axis_tlast) early", "if (~s_axis_tlast) early", "a_wrong_tlast_is_an_error"),
                (
                    "stream_monitor.sv",
                    "stall_out  <= stall_out + 1'b1",
                    "stall_out  <= stall_out + 2'd2",
                    "frames_pass",
                ),
                ("frame_last.sv", "if (!aresetn) beat <= '0;\n    else if", "if", "aresetn_in_flight"),
                ("crc32.sv", "32'hedb88320", "32'hedb88321", "frames_pass"),
                ("axi_lite.sv", "write_error <= ~write_known", "write_error <= 1'b0", "registers_answer"),
            )
        ),
    ],
)
def test_a_planted_fault_fails_its_case(file: str, old: str, new: str, failing: str, tmp_path: Path) -> None:
    folder, vectors = written(tmp_path, perceptron())
    edited(folder, file, old, new)
    with pytest.raises(VerifyError, match=rf"^perceptron: bench cases failed: .*{failing}.*; log: .*bench\.log$"):
        bench(folder, vectors, "icarus")
    assert failing in (folder / "bench.log").read_text()


@needs_icarus
def test_a_design_that_does_not_compile_is_reported_with_its_log(tmp_path: Path) -> None:
    folder, vectors = written(tmp_path, perceptron())
    edited(folder, "core.sv", "module core (", "module core (;")
    with pytest.raises(ToolFailed, match=r"^perceptron: the bench did not run \(exit code \d+\); log: .*bench\.log$"):
        bench(folder, vectors, "icarus")
    assert "syntax error" in (folder / "bench.log").read_text()


def test_an_unknown_simulator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^bench: unknown simulator 'icarsu'; did you mean 'icarus'"):
        bench(tmp_path, tmp_path, "icarsu")


def test_vectors_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder, vectors = written(tmp_path, perceptron())
    good = np.load(vectors / "inputs.npy")
    for wrong, message in (
        (good[:, :5], r"inputs\.npy: got int64 data of shape \(6, 5\); expected integers, 6 per image; save the"),
        (good / 2, r"inputs\.npy: got float64 data of shape \(6, 6\); expected integers, 6 per image; save the"),
        (good[:2], r"vectors: got 2 inputs and 6 outputs; expected as many of both, at least 2; save the vectors anew"),
    ):
        np.save(vectors / "inputs.npy", wrong)
        with pytest.raises(InputError, match=message):
            bench(folder, vectors, "icarus")
    shutil.rmtree(vectors)
    with pytest.raises(ModelFileError, match=r"inputs\.npy: cannot read \(.*\); write it with hls\.bench\.save_vec"):
        bench(folder, vectors, "icarus")


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, vectors = written(tmp_path, perceptron())
    monkeypatch.setattr(module, "_is_installed", lambda name: name != "cocotbext.axi")
    with pytest.raises(ToolMissing, match=r"^cocotbext\.axi is not installed; the bench needs it; pip install 'slim"):
        bench(folder, vectors, "icarus")
    monkeypatch.setattr(module, "_is_installed", lambda name: True)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissing, match=r"^iverilog is not installed; this bench needs it; apt-get install iverilog"):
        bench(folder, vectors, "icarus")
