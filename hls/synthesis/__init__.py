# SPDX-License-Identifier: Apache-2.0
"""Synthesis without vendor tools."""

from hls.synthesis.report import Synthesis, synthesise

__all__ = ["Synthesis", "synthesise"]
