# SPDX-License-Identifier: Apache-2.0
"""hls4ml projects: from lowered layers to a folder with C++ and tcl, written completely or not at all."""

import contextlib
import hashlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hls.graph import Lowered, Node
from hls.legality import Matrix, check_unrolling
from hwsim import device as devices
from hwsim import serial
from hwsim.design import Folding
from hwsim.errors import DeviceError, OutputError, SlimfabError, ToolMissing, UnsupportedError
from hwsim.registry import suggest

log = logging.getLogger(__name__)
PROJECT_NAME = "net"  # name of the top function and of the files


@dataclass(frozen=True)
class Project:
    """A written hls4ml project. ``folder`` holds build_prj.tcl for the vendor tools and firmware/ with the C++."""

    folder: Path
    lowered: Lowered

    @property
    def source_hash(self) -> str:
        """Sixteen hex digits over everything that C simulation compiles and loads."""
        return hash_sources(self.folder)


def write_project(lowered: Lowered, folder: Path | str, *, trace: bool = False, for_synthesis: bool = True) -> Project:
    """Generate an hls4ml project.

    Args:
        folder: replaced if it exists.
        trace: make the C simulation record every golden tensor (see :mod:`hls.csim`).
        for_synthesis: refuse layers that the HLS compiler would give up unrolling; C simulation does not care.

    Raises:
        UnsupportedError: a layer unrolls too far, or hls4ml itself fails; with its message.
        DeviceError: the design's device is no FPGA with a known part.
        ToolMissing: hls4ml is not installed.
        OutputError: the folder cannot be written.
    """
    if for_synthesis:
        for node in lowered.nodes:
            if (matrix := node_matrix(node, lowered.design.io_type)) is not None:
                folding = Folding(reuse_factor=node.reuse_factor, strategy=node.strategy)
                check_unrolling(node.layer, matrix, folding)
    target = Path(folder)
    with serial.replacing(target) as temporary:
        graph = build_graph(lowered, temporary, trace=trace)
        with _quiet(lowered.name):
            graph.write()
        _forget_folder(temporary, target)
    return Project(target, lowered)


def build_graph(lowered: Lowered, folder: Path, *, trace: bool = False) -> Any:
    """The hls4ml ModelGraph of a lowered network, which would write itself into ``folder``."""
    with _quiet(lowered.name):
        hls4ml = _hls4ml()
        config = _config(hls4ml, lowered, folder, trace)
        layers = [_layer(node) for node in lowered.nodes]
        graph = hls4ml.model.graph.ModelGraph.from_layer_list(
            config, layers, [lowered.input.node], [lowered.output.node]
        )
    graph.config.trace_output = trace
    _check_types(graph, lowered)
    _set_fifo_depths(graph, lowered)
    return graph


def node_matrix(node: Node, io_type: str) -> Matrix | None:
    """The matrix of a weighted node; None for others."""
    attrs = node.attrs
    if node.kind == "Dense":
        return Matrix(attrs["n_in"], attrs["n_out"])
    if node.kind in ("Conv2D", "DepthwiseConv2D"):
        rows = attrs["n_chan"] * attrs["filt_height"] * attrs["filt_width"]
        return Matrix(rows, attrs["n_filt"], node.kind == "DepthwiseConv2D", io_type == "io_parallel")
    return None


def hash_sources(folder: Path) -> str:
    """Sixteen hex digits over the C++ and the weights of a project (tcl and stamps change nothing in C simulation)."""
    digest = hashlib.sha256()
    files = [*sorted((folder / "firmware").rglob("*")), *sorted(folder.glob("*_bridge.cpp"))]
    for file in files:
        if file.is_file() and file.suffix in (".cpp", ".h", ".txt"):
            digest.update(f"{file.relative_to(folder)}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _hls4ml() -> Any:
    try:
        import hls4ml
        import hls4ml.model.graph
        import hls4ml.utils.config
    except ImportError as error:
        raise ToolMissing(f"hls4ml is not installed ({error}); pip install 'slimfab[hls]'") from error
    return hls4ml


def _config(hls4ml: Any, lowered: Lowered, folder: Path, trace: bool) -> dict[str, Any]:
    design = lowered.design
    # Exactly the nodes that hold golden tensors: the worker makes room for these.
    traced = {place.node for place in lowered.placements.values()} if trace else set()
    config: dict[str, Any] = hls4ml.utils.config.create_config(
        output_dir=str(folder),
        project_name=PROJECT_NAME,
        backend=design.backend,
        part=_part(design.device),
        clock_period=round(1000 / design.clock_mhz, 3),
        io_type=design.io_type,
    )
    config["HLSConfig"] = {
        # Every type is set by name below; a type that this default reached would be found by _check_types.
        "Model": {"Precision": "ap_fixed<16,6>", "ReuseFactor": 1, "Strategy": "Latency", "BitExact": False},
        "LayerName": {
            node.name: {
                "Precision": {variable: str(fmt) for variable, fmt in node.precision.items()},
                "Strategy": node.strategy.capitalize(),
                "ReuseFactor": node.reuse_factor,
                "Trace": node.name in traced,
            }
            for node in lowered.nodes
        },
    }
    return config


def _part(device: str) -> str:
    part = devices.load(device).text.get("part")
    if not part:
        raise DeviceError(f"{device}: has no FPGA part number; expected an FPGA device; choose one, or add text.part")
    return part


def _layer(node: Node) -> dict[str, Any]:
    layer = {"name": node.name, "class_name": node.kind, **node.attrs}
    if node.inputs:
        layer["inputs"] = list(node.inputs)
    return layer


def _check_types(graph: Any, lowered: Lowered) -> None:
    """hls4ml must have kept every result type it was given: its optimisers drop and merge layers."""
    for node in lowered.nodes:
        kept = graph.graph.get(node.name)
        if kept is None:
            if node.kind == "Reshape":
                continue  # an in-place view, or replaced by a repacking of the stream
            raise UnsupportedError(f"{node.layer}: hls4ml removed its node '{node.name}'; report the network")
        for variable, fmt in node.precision.items():
            held = kept.get_output_variable().type if variable == "result" else kept.types.get(f"{variable}_t")
            got = held.precision if held is not None else None
            if got is None or _spelling(got) != _spelling(_parsed(graph, str(fmt))):
                raise UnsupportedError(
                    f"{node.layer}: hls4ml gave '{node.name}' {variable} type {got}; expected {fmt}; report the network"
                )


def _parsed(graph: Any, text: str) -> Any:
    return graph.config.backend.convert_precision_string(text)


def _spelling(precision: Any) -> str:
    return str(precision).removeprefix("ap_")


def _set_fifo_depths(graph: Any, lowered: Lowered) -> None:
    depths: dict[str, int] = {}
    for tensor, depth in lowered.design.fifo_depths.items():
        if tensor not in lowered.placements:
            raise UnsupportedError(
                f"{lowered.name}: the design sets the FIFO of '{tensor}'; {suggest(tensor, lowered.placements)}"
            )
        node = lowered.placements[tensor].node
        depths[node] = max(depth, depths.get(node, 0))  # a flatten shares its source's stream
    if lowered.design.io_type == "io_stream":
        for node, depth in depths.items():
            graph.graph[node].get_output_variable().pragma = ("stream", depth)


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """hls4ml talks on stdout and warns about attributes it overrides; both go to the log, failures become ours."""
    chatter = io.StringIO()
    try:
        with contextlib.redirect_stdout(chatter), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except SlimfabError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(
            f"{name}: cannot write the hls4ml project ({reason}); free space, or write elsewhere"
        ) from error
    except Exception as error:  # hls4ml raises plain Exception, AssertionError, KeyError …
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnsupportedError(f"{name}: hls4ml refuses the network ({type(error).__name__}: {reason})") from error
    finally:
        for line in chatter.getvalue().splitlines():
            log.debug("hls4ml: %s", line)


def _forget_folder(temporary: Path, target: Path) -> None:
    """hls4ml_config.yml names the folder it was written to; let it name the final one."""
    config = temporary / "hls4ml_config.yml"
    config.write_text(config.read_text().replace(str(temporary), str(target)))
