# SPDX-License-Identifier: Apache-2.0
"""Constants of the hls4ml resource models; what the terms are stands beside the formulas that use them.

DENSE (hwsim/fpga/hls4ml_dense.py): 738 single dense layers of github:Dendendelen/wa-hls4ml-search, Apache-2.0 (Vitis
HLS estimates before logic synthesis, xcu250, 5 ns, hls4ml with io_parallel, untrained weights). Printed by
`python benchmarks/resource_model.py TABLE.csv`; error bars are relative half-widths that hold 90 % of the layers whose
shape was left out of the fit.

MLP (hwsim/fpga/hls4ml_mlp.py): 23 projects with four multilayer perceptrons of github:ArgyKokk/hls4ml_MLP_estimator
(Vitis HLS 2021.1 estimates before logic synthesis, xc7z007s, 3.33 and 5 ns, 8-bit weights and inputs, reuse 1, 2 and
100, multipliers in DSP blocks or LUTs), from a table of projects in the same way, networks left out in place of shapes.
MLP_PRUNING, from the same designs, is for those whose zero weights are not counted.

STREAMED (hwsim/fpga/hls4ml_streamed.py): 341 layers with reuse of github:HeRCLab/N-TORC, MIT (Vivado HLS 2019.1
estimates before logic synthesis, xczu7ev, 4 ns), shapes left out. STREAMED_UNROLLED has the error bars of ten layers
without reuse of the same reports, which had no part in any fit.

ACTIVATED (hwsim/fpga/hls4ml_activation.py) and RESOURCE_MLP (hwsim/fpga/hls4ml_resource_mlp.py) have the error bars of
28 regression baselines of hls4ml and of a published project; nothing in these formulas is fitted.
"""

from hwsim.fpga.linear import Calibration

DENSE: dict[str, Calibration] = {
    "folded": Calibration(
        constants={
            "lut": {
                "layer": 4662.0,
                "input": 32.23,
                "output": 23.65,
                "output_of_pair": 20.85,
                "lut_product": 4.789,
                "mux32": 175.9,
                "mux64": 297.3,
                "mux128": 697.3,
                "mux256": 1387.0,
            },
            "ff": {
                "sum_bit": 1.0,
                "register_bit": 0.9996,
                "pair_product": 27.99,
                "reuse_bit": 1.458,
                "index_bit": 1.028,
                "layer": 91.33,
                "narrow_layer": 17.09,
                "paired_layer": 17.35,
                "narrow_paired_layer": -35.97,
            },
        },
        bars={"lut": 0.001585, "ff": 0.0007502, "dsp": 0.0, "bram18": 0.0, "cycles": 0.0, "ii": 0.0},
        range={"n_in": (32.0, 256.0), "n_out": (32.0, 256.0), "weight_bits": (2.0, 14.0), "reuse": (384.0, 1280.0)},
    ),
    "unrolled": Calibration(
        constants={
            "lut": {"add": 18.84, "shift_add": 35.36, "product": -0.3655},
            "ff": {"bit": 0.4718, "add": 1.382, "product": 10.68, "merged_add": -3.339, "waiting_add": 0.0},
        },
        bars={"lut": 0.08488, "ff": 0.4288, "dsp": 0.02689, "bram18": 0.0, "cycles": 0.008741, "ii": 0.008726},
        range={"n_in": (64.0, 96.0), "n_out": (32.0, 32.0), "weight_bits": (2.0, 14.0), "reuse": (1.0, 1.0)},
    ),
    "latency": Calibration(
        constants={
            "lut": {"add": 19.23, "shift_add": 30.68, "product": 4.996},
            "ff": {"bit": 1.063, "add": 0.6318, "product": 2.647, "merged_add": -1.153, "waiting_add": 10.17},
        },
        bars={"lut": 0.08488, "ff": 0.4288, "dsp": 0.02689, "bram18": 0.0, "cycles": 0.008741, "ii": 0.008726},
        range={"n_in": (64.0, 64.0), "n_out": (32.0, 32.0), "weight_bits": (2.0, 14.0), "reuse": (1.0, 1023.0)},
    ),
}

MLP = Calibration(
    constants={
        "scale": {"hidden": 1.25, "output": 2.5},
        "lut": {"add": 19.76, "pipelined_add": 4.312, "waiting_product": 15.85},
        "ff": {"add": 12.81, "pipelined_add": 10.72, "product": 13.6},
    },
    bars={"lut": 0.1995, "ff": 0.1849, "dsp": 0.05457, "bram18": 0.0, "cycles": 0.06122, "ii": 0.1163},
    range={
        "n_in": (3.0, 196.0),
        "n_out": (2.0, 64.0),
        "weight_bits": (8.0, 8.0),
        "input_bits": (8.0, 8.0),
        "reuse": (1.0, 100.0),
        "clock_ns": (3.33, 5.0),
    },
)

MLP_PRUNING = Calibration(
    constants={"density": {"one": 1.15, "decade": -0.1434}},
    bars={"lut": 0.232, "ff": 0.154, "dsp": 0.2099, "bram18": 0.0, "cycles": 0.12, "ii": 0.1724},
    range={},
)

STREAMED: dict[str, Calibration] = {
    "dense": Calibration(
        constants={
            "lut": {
                "layer": 318.4,
                "input": 42.08,
                "output": 7.297,
                "product": 251.4,
                "long_input": 12.85,
                "selected_operand": 4.399,
                "of_2_outputs": 192.6,
                "of_4_outputs": 746.4,
                "of_more_outputs": 581.1,
            },
            "ff": {"layer": 74.09, "input": 66.76, "output": 57.53, "product": 83.41},
        },
        bars={"lut": 0.1444, "ff": 0.1121, "dsp": 0.0, "bram18": 0.0, "cycles": 0.1},
        range={"n_in": (16.0, 2048.0), "n_out": (1.0, 64.0), "weight_bits": (16.0, 16.0), "reuse": (2.0, 512.0)},
    ),
    "conv1d_k3": Calibration(
        constants={
            "lut": {
                "layer": 491.8,
                "input": 17.64,
                "output": 72.16,
                "product": 214.4,
                "long_input": 0.0,
                "selected_operand": 4.492,
                "of_2_outputs": 91.1,
                "of_4_outputs": 560.7,
                "of_more_outputs": 210.4,
            },
            "ff": {"layer": 321.8, "input": 31.31, "output": 35.7, "product": 93.7},
        },
        bars={"lut": 0.1974, "ff": 0.3617, "dsp": 0.0, "bram18": 0.0, "cycles": 0.07143},
        range={"n_in": (1.0, 32.0), "n_out": (16.0, 32.0), "weight_bits": (16.0, 16.0), "reuse": (2.0, 512.0)},
    ),
    "lstm": Calibration(
        constants={
            "lut": {
                "layer": 2159.0,
                "input": -3.838,
                "output": 2128.0,
                "product": 226.7,
                "long_input": 0.0,
                "selected_operand": 0.5459,
                "of_2_outputs": 64.63,
                "of_4_outputs": 522.2,
                "of_more_outputs": -17.83,
            },
            "ff": {"layer": 1031.0, "input": 17.86, "output": 823.4, "product": 81.54},
        },
        bars={"lut": 0.07964, "ff": 0.0879, "dsp": 0.0, "bram18": 0.0, "cycles": 0.03019},
        range={"n_in": (8.0, 32.0), "n_out": (8.0, 32.0), "weight_bits": (16.0, 16.0), "reuse": (2.0, 512.0)},
    ),
}

STREAMED_UNROLLED = Calibration(
    constants={},
    bars={"lut": 0.2674, "ff": 0.438, "dsp": 0.1875, "bram18": 0.0, "cycles": 0.1328},
    range={},
)

ACTIVATED = Calibration(
    constants={},
    bars={"dsp": 0.05085, "bram18": 0.0, "cycles": 0.5, "ii": 0.0},
    range={"n_in": (1.0, 1.0), "n_out": (2.0, 64.0)},
)

RESOURCE_MLP = Calibration(
    constants={},
    bars={"lut": 0.1995, "ff": 0.1849, "dsp": 0.05457, "bram18": 0.159, "cycles": 0.06122, "ii": 0.0},
    range={},
)
