# SPDX-License-Identifier: Apache-2.0
"""What a network takes on this machine, by its own meters, beside what was estimated."""

from typing import TYPE_CHECKING

from hwsim.errors import InputError
from hwsim.meters import Reading, find_meters, measure

if TYPE_CHECKING:
    from slimfab.models import Model


def measure_model(model: "Model", batch: int = 1, seconds: float = 2.0) -> tuple[list[Reading], list[str]]:
    """Energy per inference of a torch network on this machine, and one line per kind of meter it does not have.

    It runs in torch, in float: on the GPU that torch sees if there is one, which the meter of GPUs then counts, else on
    the processor. Idle power while it runs is included.

    Raises:
        InputError: the network has no torch module to run.
    """
    if model.module is None:
        raise InputError(
            f"{model.name}: got no torch module; expected one to run; measure a zoo name or module:function"
        )
    meters, missing = find_meters()
    if not meters:
        return [], missing
    import torch

    place = "cuda" if torch.cuda.is_available() else "cpu"
    shape = model.network.tensors[model.network.inputs[0]].shape
    module = model.module.eval().to(place)
    images = torch.zeros(batch, *shape, device=place)

    def run() -> None:
        with torch.inference_mode():
            module(images)
        if place == "cuda":
            torch.cuda.synchronize()

    counting = [meter for meter in meters if place == "cpu" or meter.name.startswith("nvml")]
    if not counting:
        return [], missing
    found = measure(run, counting, seconds)
    return [_per_inference(one, batch, place) for one in found], missing


def _per_inference(one: Reading, batch: int, place: str) -> Reading:
    what = f"{one.what}; torch, float, on {place}"
    return Reading(one.meter, what, one.energy_uj / batch, one.power_w, one.runs * batch, one.seconds)
