# SPDX-License-Identifier: Apache-2.0
"""The emulated board behind PYNQ.remote: the gRPC services that pynq's own ``RemoteDevice`` talks to, on this machine.

``python -m boards.emulated.remote FOLDER`` serves until its standard input is closed, and says its port first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from pynq.remote import (
    buffer_pb2,
    buffer_pb2_grpc,
    gpio_pb2_grpc,
    mmio_pb2,
    mmio_pb2_grpc,
    remote_device_pb2,
    remote_device_pb2_grpc,
)

from .board import Board, load
from .hwh import PROCESSORS, REGION

_FIRMWARE = "/sys/class/fpga_manager/fpga0/firmware"  # a name written here is a bitstream that is loaded
_CHUNK = 2 << 20


class _Device(remote_device_pb2_grpc.RemoteDeviceServicer):  # type: ignore[misc]
    """Files of the board, as far as pynq reads them, and loading."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.files = {
            "/proc/version": f"Linux version 6.6.0 {board.emulation.arch}".encode(),
            "/proc/device-tree/chosen/pynq_board": board.emulation.name.encode(),
            "/sys/class/fpga_manager/fpga0/state": b"operating\n",
            "/sys/class/fpga_manager/fpga0/flags": b"0\n",
        }

    def existsfile(self, request: Any, context: Any) -> Any:
        return remote_device_pb2.ExistsFileResponse(exists=request.file_path in self.files)

    def readfile(self, request: Any, context: Any) -> Iterator[Any]:
        yield remote_device_pb2.ReadFileResponse(data=self.files[request.file_path])

    def writefile(self, requests: Iterator[Any], context: Any) -> Any:
        for request in requests:
            self.files[request.file_path] = request.data
            if request.file_path == _FIRMWARE:
                chosen, names = PROCESSORS[self.board.emulation.arch], self.board.emulation
                bases = {names.dma: chosen.dma_base, names.accelerator: chosen.accelerator_base}
                self.board.program({name: (base, REGION) for name, base in bases.items()})
        return remote_device_pb2.WriteFileResponse()

    def set_bitstream_attrs(self, request: Any, context: Any) -> Any:
        return remote_device_pb2.SetBitstreamAttrsResponse(status=True)


class _Mmio(mmio_pb2_grpc.MmioServicer):  # type: ignore[misc]
    """Registers: an identifier is the base address in words."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def get_mmio(self, request: Any, context: Any) -> Any:
        return mmio_pb2.GetMmioResponse(status=True, mmio_id=str(request.base_addr))

    def read(self, request: Any, context: Any) -> Any:
        value = self.board.read(int(request.mmio_id) + request.offset)
        return mmio_pb2.ReadResponse(status=True, data=value)

    def write(self, request: Any, context: Any) -> Any:
        for place in range(0, len(request.data), 4):
            value = int.from_bytes(request.data[place : place + 4], "little")
            self.board.write(int(request.mmio_id) + request.offset + place, value)
        return mmio_pb2.WriteResponse(status=True)


class _Buffers(buffer_pb2_grpc.RemoteBufferServicer):  # type: ignore[misc]
    """Memory: an identifier is the address."""

    def __init__(self, board: Board) -> None:
        self.board, self.sizes = board, dict[str, int]()

    def allocate(self, request: Any, context: Any) -> Any:
        name = str(self.board.memory.allocate(request.size))
        self.sizes[name] = request.size
        return buffer_pb2.AllocateResponse(buffer_id=name)

    def write(self, requests: Iterator[Any], context: Any) -> Any:
        place = 0
        for request in requests:
            memory = self.board.memory.view(int(request.buffer_id) + place, len(request.data))
            if memory is not None:
                memory[:] = bytearray(request.data)
            place += len(request.data)
        return buffer_pb2.BufferWriteResponse()

    def read(self, request: Any, context: Any) -> Iterator[Any]:
        memory = self.board.memory.view(int(request.buffer_id), self.sizes[request.buffer_id])
        data = b"" if memory is None else memory.tobytes()
        for place in range(0, len(data), _CHUNK):
            yield buffer_pb2.BufferReadResponse(data=data[place : place + _CHUNK])

    def freebuffer(self, request: Any, context: Any) -> Any:
        if self.sizes.pop(request.buffer_id, None) is not None:
            self.board.memory.free(int(request.buffer_id))
        return buffer_pb2.FreeBufferResponse()

    def flush(self, request: Any, context: Any) -> Any:
        return buffer_pb2.FlushResponse()

    def invalidate(self, request: Any, context: Any) -> Any:
        return buffer_pb2.InvalidateResponse()

    def physical_address(self, request: Any, context: Any) -> Any:
        return buffer_pb2.AddressResponse(address=int(request.buffer_id))

    virtual_address = physical_address


def serve(folder: Path, port: int = 0) -> tuple[grpc.Server, int]:
    """Start serving an emulated bundle's board on the loopback interface; the server, and its port."""
    board = Board(load(folder))
    # One thread: a board has one bus.
    server = grpc.server(futures.ThreadPoolExecutor(1))
    remote_device_pb2_grpc.add_RemoteDeviceServicer_to_server(_Device(board), server)
    mmio_pb2_grpc.add_MmioServicer_to_server(_Mmio(board), server)
    buffer_pb2_grpc.add_RemoteBufferServicer_to_server(_Buffers(board), server)
    gpio_pb2_grpc.add_GpioServicer_to_server(gpio_pb2_grpc.GpioServicer(), server)
    chosen = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, chosen


if __name__ == "__main__":
    _server, _port = serve(Path(sys.argv[1]))
    sys.stdout.write(f"{_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    _server.stop(None)
