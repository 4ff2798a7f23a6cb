# SPDX-License-Identifier: Apache-2.0
"""What runs on the board: numpy, pynq and nothing else. A bundle carries this folder as ``driver``.

from driver import Accelerator
accelerator = Accelerator(".")
integers = accelerator.run(images)
"""

from .accelerator import Accelerator
from .errors import BoardError

__all__ = ["Accelerator", "BoardError"]
