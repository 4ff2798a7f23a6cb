# SPDX-License-Identifier: Apache-2.0
"""How long every node of a network takes in a run of the whole: by ONNX Runtime's profile, or layer by layer in torch.

What a profile says includes looking at it, one to three microseconds per node; :mod:`hwsim.surface_fit` takes that out
again with the time of the whole.
"""

import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.columns import Column
from hwsim.network import Network
from hwsim.runtime_nodes import FORMS, LOWERINGS, Nodes
from hwsim.workload import Workload
from slimfab.measure import runtimes
from slimfab.measure.onnx_graph import layer_of, onnx_model
from slimfab.measure.timing import WARM_UPS, fastest_us, repeated

SHARE = 0.6  # of the repetitions: the fastest quarters of all nodes would add up to less than any whole run
FEWEST, MOST = 8, 300  # runs with a profile
CONVERSIONS = {  # forms that no layer names: what ONNX Runtime calls them, and whether they take what the kernel reads
    "from_blocks": ("ReorderOutput", False),
    "to_blocks": ("ReorderInput", False),
    "quantise": ("QuantizeLinear", True),
    "channels_last": ("Transpose", True),
    "channels_first": ("Transpose", False),
    "dequantise": ("DequantizeLinear", False),
}


@dataclass(frozen=True)
class Event:
    """A node as a runtime saw it: its name and operator, the elements of its result, and its time."""

    name: str
    op: str
    elements: int
    time_us: float


def node_times(
    network: Network, work: Workload, runtime: str, dtype: str, threads: int, block: int, budget_s: float
) -> Column:
    """Time of the nodes that the runtime's lowering says, in us, (nodes,); NaN where the runtime shows none such.

    Raises:
        UnsupportedError, ToolMissing: see :func:`slimfab.measure.runtimes.prepare`.
    """
    nodes = LOWERINGS[lowering(runtime, threads)](work, dtype, block)
    if runtime == "torch":
        named = _torch_layers(network, threads, budget_s)
        return _placed(network, work, nodes, named, {}, block)
    events = _profile(network, dtype, threads, budget_s)
    named = defaultdict(list)
    anonymous = defaultdict(list)
    for event in events:
        layer = layer_of(network, event.name)
        if layer is None:
            anonymous[event.op, event.elements].append(event.time_us)
        else:
            named[layer.name].append(event.time_us)
    return _placed(network, work, nodes, named, anonymous, block)


def lowering(runtime: str, threads: int) -> str:
    """The name in LOWERINGS of what a runtime does on so many threads."""
    if runtime != "torch":
        return runtime
    return "eager-single" if threads == 1 else "eager"


def _placed(
    network: Network, work: Workload, nodes: Nodes, named: Mapping[str, Sequence[float]],
    anonymous: Mapping[tuple[str, int], Sequence[float]], block: int,
) -> Column:  # fmt: skip
    """Times by layer and by size, as those of the lowering's nodes."""
    found = np.full(len(nodes.form), np.nan)
    waiting = {row: [kernel.name, *kernel.fused] for row, kernel in enumerate(work.kernels)}
    for index, (row, form) in enumerate(zip(nodes.kernel.tolist(), nodes.form.tolist(), strict=True)):
        kernel, name = work.kernels[row], FORMS[form]
        if name in CONVERSIONS:
            op, reads = CONVERSIONS[name]
            elements = kernel.inputs if reads else kernel.outputs
            if name == "to_blocks":
                elements = elements // kernel.out_channels * math.ceil(kernel.out_channels / block) * block
            times = anonymous.get((op, elements), ())
        else:
            # A fused node has the name of one of its layers: the first that is known, and each only once.
            owner = next((layer for layer in waiting[row] if layer in named), None)
            times = named[owner] if owner is not None else ()
            waiting[row] = waiting[row][waiting[row].index(owner) + 1 :] if owner is not None else []
        if len(times):
            found[index] = float(np.mean(times))
    return found


def _profile(network: Network, dtype: str, threads: int, budget_s: float) -> list[Event]:
    """ONNX Runtime's own profile of undisturbed runs."""
    with tempfile.TemporaryDirectory() as folder:
        session = runtimes.onnxruntime_session(
            onnx_model(network, dtype == "int8"), threads, str(Path(folder) / "profile")
        )  # fmt: skip
        call = runtimes.onnxruntime_call(session)
        for _ in range(WARM_UPS):
            call()
        disturbed = np.array([late for _, late in repeated(call, threads, budget_s, FEWEST, MOST)])
        records = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    times: dict[str, list[float]] = defaultdict(list)
    about: dict[str, dict[str, Any]] = {}
    for record in records:
        if record.get("cat") == "Node" and record["name"].endswith("_kernel_time"):
            times[record["name"]].append(record["dur"])
            about[record["name"]] = record["args"]
    return [
        Event(
            name,
            about[name]["op_name"],
            _elements(about[name]),
            fastest_us(np.array(taken[WARM_UPS:], dtype=np.float64), disturbed, SHARE),
        )
        for name, taken in times.items()
        if len(taken) == WARM_UPS + len(disturbed)
    ]


def _elements(about: Mapping[str, Any]) -> int:
    """Elements of a node's first result."""
    shapes = [shape for kinds in about["output_type_shape"] for shape in kinds.values()]
    return math.prod(shapes[0]) if shapes else 0


def _torch_layers(network: Network, threads: int, budget_s: float) -> dict[str, list[float]]:
    """Every layer by the wall clock, inside of runs that nothing disturbed."""
    laps: list[list[int]] = []
    run = runtimes.torch_call(network, threads, seed=0, laps=laps)
    for _ in range(WARM_UPS):
        run()
    laps.clear()
    disturbed = np.array([late for _, late in repeated(run, threads, budget_s, FEWEST, MOST)])
    table = np.array(laps, dtype=np.float64) / 1e3  # (runs, layers)
    layers = [layer for layer in network.layers if layer.op not in ("input", "output")]
    return {
        layer.name: [fastest_us(column, disturbed, SHARE)]
        for layer, column in zip(layers, table.T, strict=True)
        if layer.op != "requantise"
    }
