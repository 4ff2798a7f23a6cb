# SPDX-License-Identifier: Apache-2.0
"""What ``model.write()`` writes into hls4ml's output folder.

rtl/                top.sv, modules, memories, manifest.json (:mod:`hls.emit`)
network/            the golden network and its weights, for slimfab.check and estimates (:mod:`hwsim.network`)
hls4ml_config.yml   the conversion's settings
"""

from typing import Any

from hls4ml.writer.writers import Writer


class SlimfabWriter(Writer):  # type: ignore[misc]
    """Writes a model's SystemVerilog instead of C++."""

    def write_hls(self, model: Any) -> None:
        """Called by the pass ``slimfab:write_hls``."""
        from hls.backend.project import write

        write(model)
