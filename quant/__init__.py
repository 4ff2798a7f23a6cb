# SPDX-License-Identifier: Apache-2.0
"""Number formats, calibration and quantisation-aware training, and export to QONNX."""
