# SPDX-License-Identifier: Apache-2.0
"""slimfab as a back end of hls4ml: ``backend='Slimfab'`` in hls4ml's converters.

hls4ml finds :func:`register` through the entry point group ``hls4ml.backends``; whoever imports hls4ml loads this
module, so that it imports nothing.
"""

from collections.abc import Callable
from typing import Any

#: Attributes of a layer as hls4ml writes the keys PE and SIMD of its configuration in snake case; 0 leaves the choice
#: to ReuseFactor.
PE, SIMD = "p_e", "s_i_m_d"


def register(register_backend: Callable[[str, Any], None], register_writer: Callable[[str, Any], None]) -> None:
    """Add the back end and its writer to hls4ml; called once, while hls4ml is imported."""
    from hls.backend.backend import NAME, SlimfabBackend
    from hls.backend.writer import SlimfabWriter

    register_writer(NAME, SlimfabWriter)
    register_backend(NAME, SlimfabBackend)


def trace(model: Any, x: Any) -> dict[str, Any]:
    """Every layer's output in the hardware, by hls4ml's layer name: (N, *shape) real numbers of x's type.

    hls4ml's own ``model.trace`` reads C++ variables, which there are none of here.

    Args:
        model: a ModelGraph that ``model.write()`` or ``model.compile()`` has written.
        x: (N, *input shape) floating-point numbers.

    Raises:
        InputError: the model was not written, or x does not fit its input.
        ToolMissing, ToolFailed: Verilator or g++.
    """
    import numpy as np

    from hls.backend.project import written

    return written(model).trace(np.asarray(x))
