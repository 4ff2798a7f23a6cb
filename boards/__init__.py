# SPDX-License-Identifier: Apache-2.0
"""Package an accelerator for a PYNQ board, deploy it, and measure it."""
