# SPDX-License-Identifier: Apache-2.0
"""Offsets and bits of the registers that the driver uses: of the design, and of the AXI DMA in front of it."""

# The design (docs/registers.md), in bytes from its base address.
ID_VALUE = int.from_bytes(b"SLIM", "big")
MAJOR_VERSION = 1
DESIGN = {
    "id": 0x00,
    "version": 0x04,
    "network_low": 0x08,
    "network_high": 0x0C,
    "control": 0x10,
    "status": 0x14,
    "frames_per_packet": 0x18,
    "frames_in": 0x1C,
    "frames_out": 0x20,
    "latency": 0x24,
    "latency_max": 0x28,
    "interval": 0x2C,
    "stall_in": 0x30,
    "stall_out": 0x34,
    "checksum": 0x38,
    "cycles_low": 0x3C,
    "cycles_high": 0x40,
}
ENABLE, RESET, CLEAR = 1, 2, 4  # control
EARLY_TLAST, MISSING_TLAST = 8, 16  # status

# AXI DMA in direct register mode (AMD PG021, "Register Space"); the receiving half stands at an offset.
SEND, RECEIVE = 0x00, 0x30
DMACR, DMASR, LENGTH = 0x00, 0x04, 0x28
RUN, SOFT_RESET = 1, 4  # DMACR
HALTED, IDLE = 1, 2  # DMASR
ERRORS = {
    0x10: "internal error: length 0, or more bytes came than fit",
    0x20: "slave error: memory refused the access",
    0x40: "decode error: no memory at this address",
}
ERROR_MASK = 0x70
