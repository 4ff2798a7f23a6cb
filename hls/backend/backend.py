# SPDX-License-Identifier: Apache-2.0
"""The back end class: hls4ml's passes up to the number types of the Vitis back end, slimfab's hardware behind them."""

from typing import Any

import numpy as np
import numpy.typing as npt
from hls4ml.backends import FPGABackend
from hls4ml.model.attributes import ConfigurableAttribute
from hls4ml.model.flow import register_flow
from hls4ml.model.layers import (
    BatchNormalization,
    Conv1D,
    Conv2D,
    Dense,
    GlobalPooling1D,
    GlobalPooling2D,
    Layer,
    Merge,
    Pooling1D,
    Pooling2D,
)
from hls4ml.model.optimizer import layer_optimizer, model_optimizer

from hls.backend import PE, SIMD

NAME = "Slimfab"
PART = "xc7z020clg400-1"  # of a Pynq-Z2
CLOCK_PERIOD_NS = 10
IO_TYPE = "io_stream"

#: Passes of hls4ml that decide numbers, in the order of its Vitis back end (``VivadoBackend._register_flows``).
_QUANTISATION = (
    "vivado:merge_batch_norm_quantized_tanh",
    "vivado:quantize_dense_output",
    "fuse_consecutive_batch_normalization",
    "slimfab:xnor_pooling",
)
_OPTIMISATION = ("slimfab:skip_softmax", "infer_precision_types")


class SlimfabBackend(FPGABackend):  # type: ignore[misc]
    """hls4ml model graphs as SystemVerilog, simulated with Verilator and synthesised with open tools."""

    def __init__(self) -> None:
        super().__init__(NAME)
        for kind in (Dense, Conv1D, Conv2D):
            self._add_attributes(kind, (PE, "rows of the matrix computed at a time"), (SIMD, "columns at a time"))
        for kind in (Pooling1D, Pooling2D, GlobalPooling1D, GlobalPooling2D, BatchNormalization, Merge):
            self._add_attributes(kind, (PE, "channels computed at a time"))
        initial = register_flow("init_layers", self._get_layer_initializers(), requires=["optimize"], backend=NAME)
        quantisation = register_flow("quantization", list(_QUANTISATION), requires=[initial], backend=NAME)
        optimisation = register_flow("optimize", list(_OPTIMISATION), requires=[initial], backend=NAME)
        check = register_flow("check", ["slimfab:expect_exact"], requires=[initial], backend=NAME)
        requirements = ["optimize", initial, quantisation, optimisation, check]
        self._default_flow = register_flow("ip", None, requires=requirements, backend=NAME)
        self._writer_flow = register_flow(
            "write", ["make_stamp", "slimfab:write_hls"], requires=["slimfab:ip"], backend=NAME
        )

    def _add_attributes(self, kind: type, *attributes: tuple[str, str]) -> None:
        for name, text in attributes:
            attribute = ConfigurableAttribute(name, default=0, description=f"{text}; 0: chosen by slimfab")
            self.attribute_map[kind] = [*self.attribute_map.get(kind, []), attribute]

    def get_default_flow(self) -> str:
        """The flow that conversion ends with."""
        return str(self._default_flow)

    def get_writer_flow(self) -> str:
        """The flow of ``model.write()``."""
        return str(self._writer_flow)

    def create_initial_config(
        self, part: str | None = None, clock_period: float | None = None, io_type: str | None = None, **_: Any
    ) -> dict[str, Any]:
        """hls4ml's settings of a conversion.

        Args:
            part: a name for reports; nothing is built for it that another part could not hold.
            clock_period: in nanoseconds.
            io_type: units are always joined by streams; hls4ml's own passes look at it.
        """
        return {
            "Part": part or PART,
            "ClockPeriod": clock_period or CLOCK_PERIOD_NS,
            "IOType": io_type or IO_TYPE,
            "HLSConfig": {},
            "WriterConfig": {"Namespace": None, "WriteWeightsTxt": False, "WriteTar": False},
        }

    @layer_optimizer(Layer)  # type: ignore[untyped-decorator]
    def init_base_layer(self, layer: Any) -> None:
        """Every layer's reuse factor."""
        layer.set_attr("reuse_factor", layer.model.config.get_reuse_factor(layer))

    @model_optimizer()  # type: ignore[untyped-decorator]
    def expect_exact(self, model: Any) -> bool:
        """Refuse, at the end of a conversion, what cannot be computed exactly or has no hardware."""
        from hls.backend.project import plan

        plan(model)
        return True

    def compile(self, model: Any) -> str:
        """Compile what was written with Verilator; returns the shared library, as hls4ml expects.

        Raises:
            UnsupportedError: ``model.trace`` asks, which reads C++ variables.
            ToolMissing, ToolFailed: Verilator or g++.
        """
        from hls.backend.project import written
        from hwsim.errors import UnsupportedError

        if model.config.trace_output:
            model.config.trace_output = False  # so that the next compilation is an ordinary one
            raise UnsupportedError(
                f"{model.config.get_project_name()}: got model.trace(), which reads C++ variables; expected a hardware "
                "trace; call hls.backend.trace(model, x)"
            )
        return str(written(model).compile())

    def predict(self, model: Any, x: npt.ArrayLike) -> npt.NDArray[Any]:
        """(N, *input shape) real numbers → (N, output size) real numbers of x's type, through the hardware.

        A single input may come without its batch, and then gives (output size,), as everywhere in hls4ml.
        """
        from hls.backend.project import written

        return written(model).predict(np.asarray(x))

    def build(
        self,
        model: Any,
        reset: bool = False,
        csim: bool = True,
        synth: bool = True,
        cosim: bool = False,
        validation: bool = False,
        export: bool = False,
        vsynth: bool = False,
        fifo_opt: bool = False,
        log_to_stdout: bool = True,
        family: str | None = None,
        timing: bool = False,
    ) -> dict[str, dict[str, str]]:
        """Synthesise with yosys and count cycles in RTL simulation; hls4ml's report dictionary.

        Args:
            synth: give ``CSynthesisReport``.
            cosim, validation: compare with the golden integers, and give ``CosimReport``.
            reset, csim, log_to_stdout: of other back ends; they change nothing here.
            family: yosys's target, "xc7", "xcup" or "ecp5"; by default the one of the part's board.
            timing: for "ecp5" the clock period after place and route on an ECP5-85; for "xc7" ``CellDelay``, the cells
                on the longest path without any wire, which is less than a period. ``ClockTool`` says who found it.

        Raises:
            UnsupportedError: export, vsynth or fifo_opt, which are the vendor's tools.
            InputError: the model was not written, or its part's family is unknown.
            ToolMissing, ToolFailed: Verilator, g++ or yosys.
        """
        from hls.backend.project import written
        from hls.backend.report import build
        from hwsim.errors import UnsupportedError

        asked = [name for name, on in (("export", export), ("vsynth", vsynth), ("fifo_opt", fifo_opt)) if on]
        if asked:
            raise UnsupportedError(
                f"{NAME}: got {asked[0]}=True; expected what open tools do: synth, cosim; take top.sv to the "
                "vendor's tools by hand"
            )
        part, clock = (model.config.get_config_value(key) for key in ("Part", "ClockPeriod"))
        return build(written(model), str(part), float(clock), synth, cosim or validation, family, timing)
