# SPDX-License-Identifier: Apache-2.0
"""Activations of an imported hls4ml graph equal hls4ml's own C++ for every integer of the input's type."""

import importlib.util
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwsim.fixed import FixedPoint

pytest.importorskip("hls4ml", reason="needs hls4ml")

from hls4ml_models import from_layers, golden


@dataclass(frozen=True)
class Case:
    """One activation with its types, as hls4ml's front ends and its C++ call it."""

    name: str
    source: str = "fixed<9,5>"
    result: str = "fixed<18,8>"
    kind: str = "Activation"
    function: str = ""
    attrs: dict[str, Any] = field(default_factory=dict)
    size: int = 1024
    table: str = "fixed<18,8>"


def leaky(alpha: float, param: str, source: str = "fixed<9,5>", result: str = "fixed<18,8>") -> Case:
    attrs = {"activ_param": alpha, "param": param}
    return Case("leakyrelu", source, result, "LeakyReLU", "leaky_relu", attrs)


FEW = [
    Case("sigmoid"),
    Case("tanh", "fixed<10,2>", "fixed<8,1,RND,SAT>"),
    Case("selu", "fixed<7,2>", "fixed<10,4,RND,SAT>"),
    leaky(0.1, "ufixed<8,0>", "fixed<12,4>", "fixed<10,4,RND_CONV,SAT>"),
    Case("hard_tanh", result="fixed<8,2,RND,SAT>", kind="HardActivation", attrs={"slope": 0.5, "shift": 0.5}),
    Case("ternary_tanh", "fixed<6,1>", "fixed<3,2>"),
]
MORE = [
    Case("relu"),
    Case("relu", "fixed<9,5>", "ufixed<5,3,RND_CONV,SAT>"),
    Case("relu6", "fixed<9,5>", "ufixed<5,3,RND_CONV,SAT>"),
    Case("linear", "fixed<9,3>", "fixed<6,2,RND_CONV,SAT>"),
    Case("sigmoid", "fixed<12,9>", "ufixed<8,0,RND,SAT>"),
    Case("sigmoid", "fixed<8,-1>", size=256),
    Case("sigmoid", "ufixed<8,3>", size=2048, table="fixed<12,2,RND,SAT>"),
    Case("sigmoid", "fixed<6,8>"),
    Case("tanh"),
    Case("tanh", "fixed<14,4>", size=4096),
    Case("softplus"),
    Case("softsign", "fixed<10,4>"),
    Case("elu", kind="ELU", attrs={"activ_param": 0.75, "param": "fixed<8,2>"}),
    Case("elu", "fixed<8,6>", kind="ELU", attrs={"activ_param": 1.0, "param": "ufixed<1,1>"}, size=512),
    Case("selu"),
    leaky(0.3, "fixed<8,0>"),
    leaky(-0.5, "fixed<8,-3>"),
    Case("thresholdedrelu", kind="ThresholdedReLU", function="thresholded_relu",
         attrs={"activ_param": 1.3, "param": "fixed<9,5>"}),
    Case("hard_sigmoid", kind="HardActivation", attrs={"slope": 0.2, "shift": 0.5}),
    Case("hard_sigmoid", "fixed<7,2>", "ufixed<6,0,RND,SAT>", "HardActivation", attrs={"slope": 0.5, "shift": 0.25}),
    Case("binary_tanh", result="fixed<2,2>"),
    Case("ternary_tanh", result="fixed<2,2>"),
    Case("ternary_tanh", "fixed<6,1,TRN,SAT>", "fixed<3,2>"),
    Case("ternary_tanh", "fixed<6,6>", "fixed<2,2>"),
]  # fmt: skip
HARD_TYPES = ("ap_ufixed<16,0>", "ap_ufixed<2,0>")  # of slope and shift, hls4ml's defaults

HEAD = """\
#include <cstdio>
#include "nnet_utils/nnet_activation.h"
template <class data_T, class res_T, class function> void all(function apply) {
    const int n = 1 << data_T::width;
    static data_T data[n];
    static res_T res[n];
    for (int i = 0; i < n; i++) data[i].V = i;
    apply(data, res);
    for (int i = 0; i < n; i++) printf("%.17g ", (double)res[i]);
    printf("\\n");
}
"""


def cpp(number: int, case: Case) -> str:
    """The struct and the call that hls4ml's templates write for this layer."""
    source, result = (str(FixedPoint.parse(text)) for text in (case.source, case.result))
    width = FixedPoint.parse(case.source).width
    lines = [
        f"struct c{number} : nnet::activ_config {{ static const unsigned n_in = {1 << width};",
        f"static const unsigned table_size = {case.size}; typedef {FixedPoint.parse(case.table)} table_t;",
    ]
    types, arguments, constants = f"{source}, {result}, c{number}", "d, r", ""
    if case.kind == "HardActivation":
        lines += [f"static const {kind} {name};" for kind, name in zip(HARD_TYPES, ("slope", "shift"), strict=True)]
        constants = " ".join(
            f"const {kind} c{number}::{name} = {case.attrs[name]};"
            for kind, name in zip(HARD_TYPES, ("slope", "shift"), strict=True)
        )
    elif "param" in case.attrs:
        types = f"{source}, ap_{case.attrs['param']}, {result}, c{number}"
        arguments = f"d, {case.attrs['activ_param']}, r"
    call = f"nnet::{case.function or case.name}<{types}>({arguments});"
    body = f"void f{number}() {{ all<{source}, {result}>([]({source}* d, {result}* r) {{ {call} }}); }}"
    return "\n".join([*lines, "};", constants, body])


def simulate(cases: list[Case], folder: Path) -> list[np.ndarray]:
    """For every case the results of hls4ml's C++ for all bit patterns, in ascending order of the pattern."""
    spec = importlib.util.find_spec("hls4ml")
    assert spec is not None
    vivado = Path(str(spec.origin)).parent / "templates" / "vivado"
    calls = " ".join(f"f{number}();" for number in range(len(cases)))
    text = HEAD + "\n".join(cpp(*item) for item in enumerate(cases)) + f"\nint main() {{ {calls} }}\n"
    (folder / "all.cpp").write_text(text)
    include = ["-I", str(vivado), "-I", str(vivado / "ap_types")]
    subprocess.run(["g++", "-std=c++17", "-O0", "-w", *include, "all.cpp", "-o", "all"], cwd=folder, check=True)
    done = subprocess.run([folder / "all"], capture_output=True, text=True, check=True)
    return [np.array(line.split(), dtype=np.float64) for line in done.stdout.splitlines()]


def imported(case: Case, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """All inputs in ascending order of their bit pattern, and what the imported graph makes of them."""
    fmt = FixedPoint.parse(case.source)
    codes = np.arange(1 << fmt.width)
    codes = np.where(fmt.signed & (codes >= 1 << (fmt.width - 1)), codes - (1 << fmt.width), codes)
    attrs = {key: value for key, value in case.attrs.items() if key != "param"}
    layers = [
        {"class_name": "InputLayer", "name": "x", "input_shape": [len(codes)]},
        {"class_name": case.kind, "name": "act", "inputs": ["x"], "n_in": len(codes), "activation": case.name,
         "table_size": case.size, **attrs},
    ]  # fmt: skip
    precisions = {"x": {"result": case.source}, "act": {"result": case.result, "table": case.table}}
    precisions["act"] |= {"param": case.attrs["param"]} if "param" in case.attrs else {}
    graph = from_layers(layers, precisions, folder)
    x = fmt.to_real(codes)
    return x, golden(graph, x[None])[0]


def compare(cases: list[Case], folder: Path) -> None:
    for case, expected in zip(cases, simulate(cases, folder), strict=True):
        x, got = imported(case, folder / "model")
        wrong = np.flatnonzero(got != expected)
        assert not len(wrong), f"{case}: of {x[wrong[:4]]} got {got[wrong[:4]]}, C++ {expected[wrong[:4]]}"


@pytest.mark.needs("g++")
def test_every_input_gives_what_the_cpp_gives(tmp_path: Path) -> None:
    compare(FEW, tmp_path)


@pytest.mark.slow
@pytest.mark.needs("g++")
def test_more_functions_and_types_give_what_the_cpp_gives(tmp_path: Path) -> None:
    compare(MORE, tmp_path)
