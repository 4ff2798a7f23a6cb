# SPDX-License-Identifier: Apache-2.0
"""Other simulators, run in environments of their own: ``PYTHON benchmarks/simulator_peers.py PEER PROBLEM.json``.

PROBLEM.json holds the array's ``rows`` and ``columns`` and ``layers`` of {name, m, n, k}. Printed as the last line is
JSON: {"cpu_s": …, "layers": {name: {"cycles": …, "ideal": …}}}, with CPU seconds after imports. SCALE-Sim is told not
to model stalls (InterfaceBandwidth CALC); ZigZag maps every layer to its example accelerator "tpu_like" of that size.
"""

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CONFIGURATION = """[general]
run_name = peer
[architecture_presets]
ArrayHeight = {rows}
ArrayWidth = {columns}
IfmapSramSzkB = 64
FilterSramSzkB = 64
OfmapSramSzkB = 64
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
Bandwidth = 10
Dataflow = {dataflow}
ReadRequestBuffer = 32
WriteRequestBuffer = 32
[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = false
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
"""
LAYOUT_COLUMNS = 21


def scalesim(problem: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Total cycles of every layer; the first of them is number 0."""
    from scalesim.scale_sim import scalesim as Simulation

    config, topology, layout = (folder / name for name in ("peer.cfg", "peer.csv", "layout.csv"))
    config.write_text(CONFIGURATION.format(**problem), encoding="utf-8")
    rows = [f"{layer['name']}, {layer['m']}, {layer['n']}, {layer['k']}," for layer in problem["layers"]]
    topology.write_text("\n".join(("Layer, M, N, K,", *rows)) + "\n", encoding="utf-8")
    rows = [",".join([layer["name"], *["1"] * (LAYOUT_COLUMNS - 1)]) + "," for layer in problem["layers"]]
    layout.write_text("\n".join(("header,", *rows)) + "\n", encoding="utf-8")
    start = time.process_time()
    simulation = Simulation(save_disk_space=True, verbose=False, config=str(config), topology=str(topology),
                            layout=str(layout), input_type_gemm=True)  # fmt: skip
    simulation.run_scale(top_path=str(folder / "out"))
    spent = time.process_time() - start
    done = simulation.runner.single_layer_sim_object_list
    layers = {
        layer["name"]: {"cycles": int(one.total_cycles)} for layer, one in zip(problem["layers"], done, strict=True)
    }
    return {"cpu_s": spent, "layers": layers}


def zigzag(problem: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Cycles with memory stalls and those of a filled array, by the mapping of least latency."""
    import yaml
    import zigzag as package
    from zigzag.api import get_hardware_performance_zigzag

    inputs = Path(package.__file__).parent / "inputs"
    accelerator = yaml.safe_load((inputs / "hardware" / "tpu_like.yaml").read_text(encoding="utf-8"))
    accelerator["operational_array"]["sizes"] = [problem["columns"], problem["rows"]]
    mapping = [{"name": "default", "memory_operand_links": {"O": "O", "W": "I2", "I": "I1"},
                "spatial_mapping": {"D1": [f"K, {problem['columns']}"], "D2": [f"C, {problem['rows']}"]}}]  # fmt: skip
    hardware, workload, spatial = (folder / f"{name}.yaml" for name in ("hardware", "workload", "mapping"))
    spatial.write_text(yaml.safe_dump(mapping), encoding="utf-8")
    hardware.write_text(yaml.safe_dump(accelerator, sort_keys=False), encoding="utf-8")
    workload.write_text(yaml.safe_dump([_gemm(index, layer) for index, layer in enumerate(problem["layers"])],
                                       sort_keys=False), encoding="utf-8")  # fmt: skip
    start = time.process_time()
    _, _, evaluations = get_hardware_performance_zigzag(
        workload=str(workload), accelerator=str(hardware), mapping=str(spatial),
        opt="latency", lpf_limit=4, dump_folder=str(folder / "out"),
        pickle_filename=str(folder / "out" / "evaluations.pickle"),
    )  # fmt: skip
    spent = time.process_time() - start
    layers = {}
    for layer, evaluation in zip(problem["layers"], evaluations[0][1], strict=True):
        one = evaluation[0]
        layers[layer["name"]] = {"cycles": float(one.latency_total2), "ideal": float(one.ideal_temporal_cycle)}
    return {"cpu_s": spent, "layers": layers}


def _gemm(index: int, layer: dict[str, Any]) -> dict[str, Any]:
    """A product as ZigZag's operator: outputs K of B rows from inputs C."""
    return {
        "id": index, "name": layer["name"], "operator_type": "Gemm", "equation": "O[b][k]+=W[k][c]*I[b][c]",
        "dimension_relations": [], "loop_dims": ["B", "K", "C"], "loop_sizes": [layer["m"], layer["n"], layer["k"]],
        "operand_precision": {"W": 8, "I": 8, "O": 16, "O_final": 8},
        "operand_source": {"W": index, "I": index},
    }  # fmt: skip


def main() -> None:
    """Run one peer; whatever it prints itself goes to stderr."""
    peer, path = sys.argv[1], Path(sys.argv[2])
    problem = json.loads(path.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        result = {"scalesim": scalesim, "zigzag": zigzag}[peer](problem, Path(folder))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
