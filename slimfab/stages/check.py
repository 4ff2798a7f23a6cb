# SPDX-License-Identifier: Apache-2.0
"""Before the first minute of training: will this network and this recipe get through all stages?"""

from typing import TYPE_CHECKING

from hwsim import device as devices
from hwsim.errors import NetworkError, UnsupportedError
from slimfab.flow import Run, Summary
from slimfab.stages.compress import cut, float_network, quant_spec
from slimfab.stages.train import dataset, new_module

if TYPE_CHECKING:
    from hwsim.network import Network


def check_stage(run: Run) -> Summary:
    """Import, quantise, map and prune the untrained network: what is refused depends on its structure alone.

    Raises:
        UnsupportedError: a layer that cannot be imported, quantised or mapped exactly; names it.
        NetworkError: the outputs are not one per class.
        InputError: the recipe names a layer or a budget that does not exist.
        BudgetError: no widths meet the budget.
        ToolMissing: the recipe has an rtl section and Verilator is not installed.
    """
    from hls.lowering import explain
    from quant.module import QuantModule

    module = new_module(run)
    network, weights = float_network(run, module)
    _check_outputs(run, network)
    QuantModule(network, weights, quant_spec(run))
    explained = explain(network, run.recipe.hardware.io_type)
    for layer, (status, remark) in explained.items():
        if status == "refused":
            raise UnsupportedError(f"{layer}: {remark}")
    if run.recipe.rtl is not None:
        _check_rtl(run, network)
    facts: Summary = {"layers": len(network.layers), "macs": network.macs()}
    if run.recipe.prune is not None:
        facts["reachable_macs"] = cut(run, module, run.recipe.prune, train=lambda *_: None).network.macs()
    return facts


def _check_rtl(run: Run, network: "Network") -> None:
    from hls.layers import explain
    from hls.rtl_compile import find_verilator

    find_verilator()
    for layer, why in explain(network, devices.load(run.recipe.hardware.board)).items():
        if why:
            raise UnsupportedError(f"{layer}: {why} (or leave the recipe's rtl section out)")


def _check_outputs(run: Run, network: "Network") -> None:
    data, shape = dataset(run), network.tensors[network.outputs[0]].shape
    if shape != (data.classes,):
        raise NetworkError(
            f"{run.recipe.model.source}: gives outputs of shape {shape}; expected {(data.classes,)}, one per class of "
            f"{data.name}; change the last layer"
        )
