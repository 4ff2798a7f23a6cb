# SPDX-License-Identifier: Apache-2.0
"""The worker for a board behind PYNQ.remote; on the host: ``python -m boards.driver.remote FOLDER ADDRESS [PORT]``.

Every access to a register is a message over the network: right for bring-up and for checking integers, not for latency.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .accelerator import Accelerator
from .errors import ConnectionLost
from .worker import binary_ends, serve

PORT = 7967  # PYNQ.remote's


def main(folder: Path, address: str, port: int = PORT) -> None:
    """Serve the bundle of a folder on the board at an address."""

    def make() -> Accelerator:
        from pynq import Device
        from pynq.pl_server.remote_device import RemoteDevice

        try:
            device = RemoteDevice(ip_addr=address, port=port)
        except RuntimeError as error:
            raise ConnectionLost(f"{address}:{port}: {error}; expected PYNQ.remote there; start it") from error
        Device.active_device = device
        return Accelerator(folder, device=device)

    serve(make, *binary_ends())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:4]))
