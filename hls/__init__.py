# SPDX-License-Identifier: Apache-2.0
"""From a golden `Network` to hardware: hls4ml projects, C simulation, verification, report parsing."""
