# SPDX-License-Identifier: Apache-2.0
"""One hls4ml model as a design: planned when it is converted, written, compiled, and simulated."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy.typing as npt

from hls.from_hls4ml import BACKEND, Imported, from_model_graph
from hls.layers import build
from hls.rtl_compile import compile_design
from hls.rtl_sim import RtlExecutor
from hwsim import network as networks
from hwsim.design import Design
from hwsim.errors import InputError

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Project:
    """A written design and how hls4ml's arrays enter and leave it."""

    imported: Imported
    executor: RtlExecutor

    def compile(self) -> Path:
        """The design as a shared library; compiled once per content."""
        return compile_design(self.executor.folder, self.executor.manifest)

    def predict(self, x: Array) -> Array:
        """See :meth:`hls.backend.backend.SlimfabBackend.predict`."""
        reals = self.imported.output.reals(self.executor.predict(self._enter(x))).astype(x.dtype)
        return reals[0] if len(reals) == 1 else reals

    def trace(self, x: Array) -> dict[str, Array]:
        """See :func:`hls.backend.trace`."""
        found = self.executor.trace(self._enter(x))
        return {
            name: place.reals(found[place.tensor]).reshape(-1, *place.shape).astype(x.dtype)
            for name, place in self.imported.places.items()
            if place.tensor in found
        }

    def _enter(self, x: Array) -> Array:
        """hls4ml's real numbers as golden integers.

        Raises:
            InputError: no floating-point numbers, or not a whole number of samples.
        """
        source = self.imported.input
        if x.dtype.kind != "f" or x.size == 0 or x.size % len(source.order):
            raise InputError(
                f"{self.imported.network.name}: got {x.dtype} data of shape {x.shape}; expected floating-point numbers "
                f"(N, {', '.join(map(str, source.shape))})"
            )
        return self.imported.enter(x)


_PROJECTS: WeakKeyDictionary[Any, Project] = WeakKeyDictionary()


def plan(model: Any) -> tuple[Imported, Design]:
    """A model's golden network and design, with every layer checked to have hardware.

    Raises:
        UnsupportedError: see :func:`hls.from_hls4ml.from_model_graph` and :func:`hls.layers.build`.
    """
    imported = from_model_graph(model)
    config = model.config
    clock_mhz = 1000.0 / float(config.get_config_value("ClockPeriod"))
    device = str(config.get_config_value("Part"))
    design = Design(imported.network.hash, device, clock_mhz, backend=BACKEND, folding=imported.folding)
    build(imported.network, imported.weights, design)
    return imported, design


def write(model: Any) -> Project:
    """Write a model's design below its output folder."""
    import yaml

    imported, design = plan(model)
    folder = Path(model.config.get_output_dir())
    executor = RtlExecutor(imported.network, imported.weights, design, folder / "rtl")
    networks.save(imported.network, imported.weights, folder / "network")
    config = {key: value for key, value in model.config.config.items() if not key.endswith("Model")}
    (folder / "hls4ml_config.yml").write_text(yaml.safe_dump(config, default_flow_style=False))
    _PROJECTS[model] = Project(imported, executor)
    return _PROJECTS[model]


def written(model: Any) -> Project:
    """What :func:`write` wrote for this model last.

    Raises:
        InputError: nothing was written yet.
    """
    if model not in _PROJECTS:
        raise InputError(f"{model.config.get_project_name()}: is not written yet; call model.compile() first")
    return _PROJECTS[model]
