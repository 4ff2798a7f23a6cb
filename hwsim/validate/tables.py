# SPDX-License-Identifier: Apache-2.0
"""The kinds of tables that can be validated."""

from hwsim.validate.boards import BOARDS
from hwsim.validate.cpu_gpu_edge import CPU_GPU_EDGE
from hwsim.validate.finn_mvu_synth import FINN_MVU_SYNTH
from hwsim.validate.fpgaconvnet_layers import FPGACONVNET_LAYERS
from hwsim.validate.hls4ml_projects import HLS4ML_PROJECTS
from hwsim.validate.hls4ml_synth import HLS4ML_SYNTH
from hwsim.validate.mlperf_tiny import MLPERF_TINY
from hwsim.validate.scalesim import SCALESIM
from hwsim.validate.table import Table

TABLES: tuple[Table, ...] = (
    HLS4ML_SYNTH, HLS4ML_PROJECTS, BOARDS, FINN_MVU_SYNTH, FPGACONVNET_LAYERS, SCALESIM, CPU_GPU_EDGE, MLPERF_TINY,
)  # fmt: skip
