# SPDX-License-Identifier: Apache-2.0
"""hls4ml's ReuseFactor, PE and SIMD per layer as foldings that the hardware units can have.

``reuse_factor = (mh / pe) * (mw / simd)``: how often one multiplier is used per output position. PE and SIMD, where a
layer's configuration gives both, win over ReuseFactor. Otherwise the legal pair whose reuse factor is closest to the
wanted one is taken; of equally close ones the faster, then the one with the larger SIMD, whose sums are the shorter.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hwsim.design import Folding
from hwsim.errors import UnsupportedError
from hwsim.fpga.folded import legal_pe, legal_simd
from hwsim.fpga.stages import Stage, pipeline
from hwsim.network import Network

#: Attributes of a node as hls4ml writes the keys PE and SIMD of its configuration in snake case; 0 leaves the choice
#: to ReuseFactor.
PE, SIMD = "p_e", "s_i_m_d"
#: hls4ml's strategies → those of a folding. They change nothing in slimfab's units, which fold by PE and SIMD.
STRATEGIES: Mapping[str, str] = {
    "latency": "latency",
    "unrolled": "latency",
    "resource": "resource",
    "resource_unrolled": "resource",
    "distributed_arithmetic": "distributed_arithmetic",
    "da": "distributed_arithmetic",
}


def foldings(network: Network, nodes: Sequence[Any]) -> dict[str, Folding]:
    """The folding of every layer with a matrix, and of others that ask for PE.

    Raises:
        UnsupportedError: PE or SIMD does not divide what it must; names the nearest that do.
    """
    by_name = {node.name: node for node in nodes}
    found = {}
    for stage in pipeline(network).stages:
        node = by_name.get(stage.name)
        if node is None:
            continue
        if stage.kind in ("matrix", "depthwise"):
            found[stage.name] = _matrix_folding(stage, node)
        elif pe := int(node.get_attr(PE, 0)):
            found[stage.name] = Folding(_legal(stage.name, "PE", pe, legal_pe(stage)))
    return found


def _matrix_folding(stage: Stage, node: Any) -> Folding:
    products = stage.mh * stage.mw * stage.groups
    pes = _wanted(stage.name, "PE", node.get_attr(PE, 0), legal_pe(stage))
    simds = _wanted(stage.name, "SIMD", node.get_attr(SIMD, 0), legal_simd(stage))
    wanted = float(node.get_attr("reuse_factor", 1))
    pairs = [(pe, simd) for pe in pes for simd in simds]
    pe, simd = min(pairs, key=lambda pair: (abs(products / (pair[0] * pair[1]) - wanted), -pair[0] * pair[1], -pair[1]))
    strategy = str(node.model.config.get_strategy(node)).lower()
    if strategy not in STRATEGIES:
        raise UnsupportedError(
            f"{stage.name}: got Strategy {strategy}; expected one of {', '.join(STRATEGIES)}; change it in hls_config"
        )
    return Folding(pe, simd, products // (pe * simd), STRATEGIES[strategy])


def _wanted(name: str, what: str, value: Any, legal: Sequence[int]) -> Sequence[int]:
    """What the configuration asks for, or all legal numbers."""
    return (_legal(name, what, int(value), legal),) if int(value) else legal


def _legal(name: str, what: str, value: int, legal: Sequence[int]) -> int:
    if value in legal:
        return value
    below = [number for number in legal if number < value][-1:]
    above = [number for number in legal if number > value][:1]
    nearest = ", ".join(map(str, below + above))
    raise UnsupportedError(f"{name}: {what}={value} must divide {legal[-1]}; nearest: {nearest}")
