# SPDX-License-Identifier: Apache-2.0
"""How tests compile what they simulate for some thousand cycles, which take less time than optimising their code."""

from hls.rtl_compile import Effort

#: Of the sources as synthesis reads them.
PLAIN = Effort(("-O0",))
#: With the modules of hls/rtl/fast in place of those that they stand for.
REPLACED = Effort(("-O0",), replaces=True)
