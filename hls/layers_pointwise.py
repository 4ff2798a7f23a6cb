# SPDX-License-Identifier: Apache-2.0
"""Element by element: thresholds, tables, scaling per channel."""

from collections.abc import Mapping

from hls.dataflow import Lowering

LOWERINGS: Mapping[str, Lowering] = {}
