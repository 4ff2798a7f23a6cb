# SPDX-License-Identifier: Apache-2.0
"""Decide which channels of a network to remove, remove them, and fine-tune what is left."""
