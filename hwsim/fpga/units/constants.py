# SPDX-License-Identifier: Apache-2.0
"""What the parts of units count in yosys's netlists; written by ``benchmarks/template_resources.py --fit``.

LUT and FF: by module and part, cells per cell that the source has. BARS: by module and count, the half-width
relative to a prediction that holds 95 % of units which had no part in the fit. RANGE: the smallest and the
largest of every parameter among the units.
"""

from collections.abc import Mapping

SOURCE = "interim"

LUT: Mapping[str, Mapping[str, float]] = {
    "accumulate": {
        "control": 9.4827, "sums": 0.9385, "counters": 0.1678, "wrap": 0.3814, "ahead": 2.4145
    },
    "add": {
        "control": 1.0, "streams": 1.0, "sums": 1.0
    },
    "argmax": {
        "control": 1.0, "compare": 1.0, "choice": 1.0, "places": 1.0, "place": 1.0, "base": 1.0
    },
    "cast": {
        "control": 3.6777, "choice": 1.2604, "reset": 1.0383, "low": 0.0, "high": 0.575, "ties": 1.1942,
        "round": 1.9072
    },
    "concat": {
        "choice": 1.0, "beat": 1.0, "turn": 1.0, "control": 1.0
    },
    "control": {
        "control": 602.4703, "beats": 0.0, "stamps": 0.0, "bytes": 2.0337, "state": 3.3978, "words": 2.4117,
        "choice": 1.0
    },
    "divide": {
        "control": 0.1992, "steps": 0.9862, "signs": 2.0717, "offset": 0.0, "result": 0.7934, "ties": 1.0813
    },
    "fifo": {
        "control": 4.9352, "front": 1.0181, "pointers": 4.9912, "choice": 1.0082, "many": 13.714, "counters":
        1.3871, "wrap": 1.3413
    },
    "frame_last": {
        "control": 1.0, "beat": 1.0
    },
    "lookup": {
        "control": 1.0, "tables": 1.0
    },
    "matrix_vector": {
        "control": 0.0, "enables": 0.0, "packed": 0.0377, "apart": 0.8352, "overlaps": 3.2794, "pairs":
        0.6862, "pair_sums": 1.0561, "tree": 1.0264, "accumulate": 1.0282, "output": 1.0321, "counters": 0.0,
        "weights": 0.8082, "biases": 1.1611, "replay": 1.0142
    },
    "max_pool": {
        "control": 1.0, "compare": 1.0, "lanes": 1.0, "taps": 1.0, "wrap": 1.0
    },
    "pad": {
        "control": 1.0, "counters": 1.0, "edges": 1.0
    },
    "scale": {
        "control": 1.0, "blocks": 1.0, "memories": 1.0, "parts": 1.0, "pairs": 1.0, "pair_sums": 1.0, "sums":
        1.0
    },
    "sliding_window": {
        "control": 21.321, "counters": 0.704, "addresses": 4.0958, "uneven": 3.2489, "column": 0.0, "place":
        0.0, "slots": 8.0008, "kernel": 1.603, "choice": 0.9338
    },
    "sparse_matrix_vector": {
        "control": 0.8201, "enables": 5.7665, "packed": 0.7124, "apart": 0.9711, "overlaps": 1.0, "pairs":
        0.7032, "pair_sums": 0.9025, "tree": 1.0261, "accumulate": 1.0557, "output": 1.0557, "counters":
        1.2141, "weights": 0.658, "biases": 2.1406, "schedule": 5.5118, "vectors": 1.0
    },
    "stream_fork": {
        "control": 1.0, "readers": 1.0
    },
    "threshold": {
        "control": 1.0, "blocks": 1.0, "memories": 1.0, "compare": 1.0, "constant": 1.0, "count": 1.0, "sums":
        1.0
    },
    "upsample": {
        "control": 1.0, "choice": 1.0, "counters": 1.0, "addresses": 1.0
    },
    "width_converter": {
        "control": 3.3792, "loaded": 1.0509, "part": 0.5058, "wrap": 1.0943
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
        "control": 1.0, "nodes": 1.0, "flags": 1.0, "places": 1.0, "best": 1.0, "base": 1.0
    },
    "cast": {
        "control": 1.0442, "values": 0.9873
    },
    "concat": {
        "word": 1.0, "beat": 1.0, "turn": 1.0, "control": 1.0
    },
    "control": {
        "control": 822.0212, "beats": 1.1025, "stamps": 1.5736, "held": 0.9766, "bytes": 1.092, "words":
        0.9067
    },
    "divide": {
        "flags": 0.92, "lanes": 3.9912, "remainders": 0.9217, "dividend": 1.106, "result": 1.2487
    },
    "fifo": {
        "front": 1.0003, "word": 0.9995, "pointers": 0.9992, "past": 1.0019, "counters": 0.9999
    },
    "frame_last": {
        "beat": 1.0
    },
    "lookup": {
        "control": 1.0, "inputs": 1.0, "tables": 1.0
    },
    "matrix_vector": {
        "control": 16.5387, "flags": 0.2955, "rows": 0.0, "operands": 1.1278, "products": 0.764, "overlaps":
        1.7125, "pairs": 1.1169, "pair_sums": 0.6981, "sums": 1.0159, "counters": 0.4382, "weights": 0.8239,
        "biases": 1.0362, "inputs": 1.0338
    },
    "max_pool": {
        "control": 1.0, "best": 1.0, "taps": 1.0
    },
    "pad": {
        "control": 1.0, "counters": 1.0, "word": 1.0
    },
    "scale": {
        "control": 1.0, "blocks": 1.0, "memories": 1.0, "inputs": 1.0, "parts": 1.0, "pairs": 1.0,
        "pair_sums": 1.0, "sums": 1.0
    },
    "sliding_window": {
        "control": 0.0, "counters": 0.7685, "addresses": 1.0385, "slots": 1.4927, "result": 1.0467, "lines":
        0.9265
    },
    "sparse_matrix_vector": {
        "control": 43.1366, "flags": 0.0685, "rows": 4.087, "operands": 1.754, "products": 0.5201, "overlaps":
        1.0, "pairs": 0.9753, "pair_sums": 0.9652, "sums": 1.063, "counters": 0.5356, "weights": 0.6442,
        "biases": 1.0939, "schedule": 0.0, "inputs": 0.8254
    },
    "stream_fork": {
        "readers": 1.0
    },
    "threshold": {
        "control": 1.0, "blocks": 1.0, "heights": 1.0, "memories": 1.0, "inputs": 1.0, "reached": 1.0,
        "count": 1.0, "sums": 1.0, "flags": 1.0
    },
    "upsample": {
        "control": 1.0, "words": 1.0, "counters": 1.0, "row": 1.0
    },
    "width_converter": {
        "control": 1.0, "word": 1.0, "part": 1.0
    },
}  # fmt: skip

BARS: Mapping[str, Mapping[str, float]] = {
    "accumulate": {
        "lut": 0.193, "ff": 0.0
    },
    "add": {
        "lut": 0.5, "ff": 0.5
    },
    "argmax": {
        "lut": 0.5, "ff": 0.5
    },
    "cast": {
        "lut": 0.681, "ff": 0.058
    },
    "concat": {
        "lut": 0.5, "ff": 0.5
    },
    "control": {
        "lut": 0.092, "ff": 0.005
    },
    "divide": {
        "lut": 0.104, "ff": 0.131
    },
    "fifo": {
        "lut": 0.205, "ff": 0.009
    },
    "frame_last": {
        "lut": 0.5, "ff": 0.5
    },
    "lookup": {
        "lut": 0.5, "ff": 0.5
    },
    "matrix_vector": {
        "lut": 0.239, "ff": 0.044
    },
    "max_pool": {
        "lut": 0.5, "ff": 0.5
    },
    "pad": {
        "lut": 0.5, "ff": 0.5
    },
    "scale": {
        "lut": 0.5, "ff": 0.5
    },
    "sliding_window": {
        "lut": 0.341, "ff": 0.082
    },
    "sparse_matrix_vector": {
        "lut": 0.073, "ff": 0.256
    },
    "stream_fork": {
        "lut": 0.5, "ff": 0.5
    },
    "threshold": {
        "lut": 0.5, "ff": 0.5
    },
    "upsample": {
        "lut": 0.5, "ff": 0.5
    },
    "width_converter": {
        "lut": 0.244, "ff": 0.0
    },
}  # fmt: skip

RANGE: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "accumulate": {
        "LANES": (1.0, 16.0), "IN_WIDTH": (4.0, 15.0), "IN_SIGNED": (0.0, 1.0), "ACC_WIDTH": (7.0, 20.0),
        "PIXELS": (4.0, 49.0), "BLOCKS": (1.0, 128.0), "BANK": (512.0, 1024.0)
    },
    "add": {
        "COUNT": (3.0, 3.0), "LANES": (8.0, 16.0), "WIDTH": (10.0, 22.0)
    },
    "argmax": {
    },
    "cast": {
        "LANES": (1.0, 16.0), "IN_WIDTH": (6.0, 38.0), "IN_SIGNED": (0.0, 1.0), "LEFT": (0.0, 6.0), "RIGHT":
        (0.0, 30.0), "ROUNDING": (0.0, 2.0), "WIDTH": (3.0, 41.0), "HAS_LOW": (0.0, 1.0), "HAS_HIGH": (0.0,
        1.0), "OUT_WIDTH": (1.0, 15.0)
    },
    "concat": {
    },
    "control": {
        "BEATS_IN": (1.0, 3072.0), "OUT_BYTES": (1.0, 16.0), "STAMPS": (8.0, 512.0)
    },
    "divide": {
        "LANES": (1.0, 8.0), "IN_WIDTH": (10.0, 23.0), "LEFT": (0.0, 5.0), "WIDTH": (12.0, 24.0), "DIVISOR":
        (6.0, 4608.0), "ROUNDING": (0.0, 2.0), "OUT_WIDTH": (2.0, 17.0)
    },
    "fifo": {
        "WIDTH": (2.0, 128.0), "DEPTH": (2.0, 1500.0)
    },
    "frame_last": {
    },
    "lookup": {
    },
    "matrix_vector": {
        "MW": (1.0, 288.0), "MH": (1.0, 128.0), "MATRICES": (1.0, 8.0), "PARALLEL": (1.0, 8.0), "PE": (1.0,
        16.0), "SIMD": (1.0, 16.0), "IN_WIDTH": (2.0, 12.0), "IN_SIGNED": (0.0, 1.0), "W_WIDTH": (2.0, 10.0),
        "W_SIGNED": (1.0, 1.0), "ACC_WIDTH": (9.0, 23.0), "SHIFT": (0.0, 0.0), "ROWS_PER_DSP": (0.0, 3.0),
        "SPACING": (4.0, 20.0), "WEIGHT_BANK": (8.0, 1024.0), "VECTOR_BANK": (512.0, 8192.0)
    },
    "max_pool": {
    },
    "pad": {
    },
    "scale": {
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
    },
    "threshold": {
    },
    "upsample": {
    },
    "width_converter": {
        "WIDTH": (2.0, 15.0), "IN_LANES": (1.0, 20.0), "OUT_LANES": (1.0, 48.0)
    },
}  # fmt: skip
