# SPDX-License-Identifier: Apache-2.0
"""Number formats, calibration and quantisation-aware training, and export to QONNX.

spec         what widths a network shall have (no torch needed)
placement    which tensors get a quantiser
quantisers   the quantisers, by name
module       a network as a torch module with quantisers
calibrate    post-training quantisation: formats from data
train        the training loop, with schedules, losses, augment, hooks, checkpoint
convert      the golden integer network of a trained module
export       its QONNX file
executor     exact execution in torch, and of QONNX files
"""
