# SPDX-License-Identifier: Apache-2.0
"""Networks measured on a CUDA GPU under torch: launched one kernel after another, or as one recorded graph."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from hwsim.columns import Column
from hwsim.errors import InputError, ToolMissing
from hwsim.network import Network
from slimfab.measure.runtimes import torch_steps
from slimfab.measure.timing import time_call

MODES = ("eager", "graph")
SECONDS = 0.1
DRIVER = Path("/proc/driver/nvidia/version")  # "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar …"


def require_gpu() -> str:
    """The GPU that torch sees, with the versions of torch, CUDA and the driver.

    Raises:
        ToolMissing: torch is not installed.
        InputError: torch sees no GPU.
    """
    try:
        import torch
    except ImportError:
        raise ToolMissing("torch: is not installed; calibrating needs it; pip install 'slimfab[torch]'") from None
    if not torch.cuda.is_available():
        raise InputError(
            "cuda: torch sees no GPU; expected one with a driver and a CUDA build of torch; use --target cpu, or run "
            "this where the GPU is"
        )
    versions = f"torch {torch.__version__}, CUDA {torch.version.cuda}, driver {driver_version()}"
    return f"{torch.cuda.get_device_name()}, {versions}"


def driver_version(file: Path = DRIVER) -> str:
    """Version of NVIDIA's kernel driver, or that it is not known."""
    try:
        found = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)+)\s", file.read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else "not known"


def measure(networks: Sequence[Network], mode: str, listen: Callable[[float, str], None]) -> Column:
    """Latency of every network in fp32 at batch 1 in us, (networks,), from inputs on the GPU to results on the GPU.

    Raises:
        InputError: an unknown mode, or no GPU.
    """
    if mode not in MODES:
        raise InputError(f"mode: got '{mode}'; expected {' or '.join(MODES)}")
    require_gpu()
    import torch

    times = []
    for index, network in enumerate(networks):
        run = torch_steps(network, seed=0, device="cuda")
        call = _recorded(run) if mode == "graph" else run

        def timed(one: Callable[[], object] = call) -> None:
            one()
            torch.cuda.synchronize()

        times.append(time_call(timed, threads=2, budget_s=SECONDS).best_us)  # the wall clock: the GPU works meanwhile
        listen((index + 1) / len(networks), f"{network.name}: {times[-1]:.0f} us")
    return np.array(times)


def _recorded(run: Callable[[], object]) -> Callable[[], object]:
    """The same work as one CUDA graph (torch.cuda.graphs, "Whole-network capture")."""
    import torch

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph: torch.cuda.CUDAGraph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay
