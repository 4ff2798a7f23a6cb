# SPDX-License-Identifier: Apache-2.0
"""What only moves values: padding, upsampling, concatenation."""

from collections.abc import Mapping

from hls.dataflow import Lowering

LOWERINGS: Mapping[str, Lowering] = {}
