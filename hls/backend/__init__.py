# SPDX-License-Identifier: Apache-2.0
"""slimfab as a back end of hls4ml: ``backend='Slimfab'`` in hls4ml's converters.

hls4ml finds :func:`register` through the entry point group ``hls4ml.backends``.
"""

from collections.abc import Callable
from typing import Any


def register(register_backend: Callable[[str, Any], None], register_writer: Callable[[str, Any], None]) -> None:
    """Add the back end and its writer to hls4ml; called once, while hls4ml is imported."""
    from hls.backend.backend import NAME, SlimfabBackend
    from hls.backend.writer import SlimfabWriter

    register_writer(NAME, SlimfabWriter)
    register_backend(NAME, SlimfabBackend)
