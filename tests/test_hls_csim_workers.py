# SPDX-License-Identifier: Apache-2.0
"""The processes around a C simulation, with tiny libraries that behave or misbehave on purpose."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hls_networks import Builder

from hls import csim
from hls.compile import Library
from hls.lowering import lower
from hls.project import Project
from hwsim.errors import NetworkError, ToolFailed
from hwsim.fixed import FixedPoint
from hwsim.network import Network

pytestmark = pytest.mark.needs("g++")

U8 = FixedPoint(8, 4, False)


def network() -> Network:
    b = Builder((3,), FixedPoint(8, 4))
    return b.build(b.add("relu", "x", U8))[0]


def library(folder: Path, body: str) -> Library:
    """A library whose top function has the given body; x is the input, y the output, three numbers each."""
    source = (
        "#include <cassert>\n#include <cstdlib>\n#include <iostream>\n"
        'extern "C" void net_double(double *x, double *y) { for (int i = 0; i < 3; i++) y[i] = x[i] < 0 ? 0 : x[i]; '
        f"{body} }}\n"
    )
    (folder / "csim.cpp").write_text(source)
    command = ["g++", "-shared", "-fPIC", str(folder / "csim.cpp"), "-o", str(folder / "csim.so")]
    subprocess.run(command, check=True)
    return Library(folder, Project(folder, lower(network(), {})))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-128, 128, (count, 3))


@pytest.mark.parametrize(("count", "workers"), [(1, 2), (7, 1), (7, 2), (7, 3), (2, 5)])
def test_every_share_of_the_images_comes_back_in_order(count, workers, tmp_path):
    made = library(tmp_path, "")
    seen = []
    outputs = csim.predict(made, network(), images(count), workers=workers, progress=lambda *done: seen.append(done))
    np.testing.assert_array_equal(outputs, np.maximum(images(count), 0))
    assert seen[-1] == (count, count)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_no_images_give_no_outputs(tmp_path):
    assert csim.predict(library(tmp_path, ""), network(), images(0)).shape == (0, 3)


def test_an_assert_in_the_generated_code_is_an_error_and_not_the_end(tmp_path):
    made = library(tmp_path, 'assert(x[0] < 7 && "Only linebuffer is supported in Vitis HLS.");')
    with pytest.raises(ToolFailed) as error:
        csim.predict(made, network(), np.full((3, 3), 127))
    text = str(error.value)
    assert text.startswith("net: C simulation failed (signal 6: ")
    assert "Only linebuffer is supported in Vitis HLS" in text
    assert text.endswith(f"the generated C++ refuses this layer; report the network; log: {tmp_path / 'predict.log'}")
    assert "Assertion" in (tmp_path / "predict.log").read_text()


MISBEHAVIOURS = [
    (
        'std::cerr << "ERROR: file weights/w2.txt does not exist" << std::endl; std::exit(1);',
        "net: C simulation failed (exit code 1: ERROR: file weights/w2.txt does not exist); "
        "the compiled library lost its weights; delete its cache folder; log: ",
    ),
    (
        "std::cout << \"WARNING: Hls::stream 'a.1' contains leftover data, which may result in RTL simulation \"\n"
        '"hanging."',
        "net: C simulation failed (exit code 0: WARNING: Hls::stream 'a.1' contains leftover data, which may result in "
        "RTL simulation hanging.); streams of different length meet; report the network; log: ",
    ),
    ("std::exit(9);", "net: C simulation failed (exit code 9: no output); see the log; log: "),
]


@pytest.mark.parametrize(("body", "message"), MISBEHAVIOURS, ids=["weights", "stream", "silent"])
def test_what_the_generated_code_complains_about_is_an_error(body, message, tmp_path):
    with pytest.raises(ToolFailed) as error:
        csim.predict(library(tmp_path, body + ";"), network(), images(2))
    assert str(error.value).startswith(message)


def test_an_output_between_two_steps_is_refused(tmp_path):
    made = library(tmp_path, "y[1] = 0.03;")
    with pytest.raises(NetworkError, match=r"relu1.out: value 0.03 at \(0, 1\) is not on the grid of ap_ufixed<8,4>"):
        csim.predict(made, network(), images(2))


def test_an_output_outside_its_format_is_refused(tmp_path):
    made = library(tmp_path, "y[2] = 16;")
    with pytest.raises(NetworkError, match=r"relu1.out: value 16.0 at \(0, 2\) is not on the grid of ap_ufixed<8,4>"):
        csim.predict(made, network(), images(2))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            np.zeros((2, 4), dtype=int),
            r"x: got int64 data of shape \(2, 4\); expected integers \(N, 3\) of ap_fixed<8,4>",
        ),
        (np.zeros((2, 3)), "x: got float64 data .*; quantise with the input's format first"),
        (np.full((2, 3), 128), "x: data 128..128 leave ap_fixed<8,4>; clip or quantise them"),
    ],
)
def test_inputs_of_another_kind_are_refused(data, message, tmp_path):
    made = Library(tmp_path, Project(tmp_path, lower(network(), {})))
    with pytest.raises(NetworkError, match=message):
        csim.predict(made, network(), data)
