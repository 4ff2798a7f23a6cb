# SPDX-License-Identifier: Apache-2.0
"""The state of a training between two epochs in one safetensors file: never a pickle, never half a file.

Tensors: ``model.NAME`` (parameters and buffers), ``optimiser.INDEX.KEY`` (momentum and the like, by parameter
number), ``hook.INDEX.NAME``. The JSON record (epochs done, history, fingerprint) stands in the file's own metadata, so
that one rename replaces everything. Random numbers need no state: each epoch seeds its own from (seed, epoch).
"""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from hwsim.errors import ModelFileError
from hwsim.serial import atomic_write

RECORD = "slimfab.training"


class Stateful(Protocol):
    """A hook as a checkpoint sees it."""

    def tensors(self) -> dict[str, torch.Tensor]: ...
    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None: ...


def save_checkpoint(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, hooks: Sequence[Stateful], record: Mapping[str, Any]
) -> None:
    """Write the state; ``record`` is plain JSON data.

    Raises:
        OutputError: the file cannot be written; an older checkpoint stays as it was.
    """
    from safetensors.torch import save

    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, parameter in enumerate(_parameters(optimiser)):
        for key, value in optimiser.state[parameter].items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimiser.{index}.{key}"] = value
    for index, hook in enumerate(hooks):
        tensors.update({f"hook.{index}.{name}": tensor for name, tensor in hook.tensors().items()})
    # safetensors takes neither strides nor two names for one memory.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    atomic_write(path, save(plain, metadata={RECORD: json.dumps(record, allow_nan=False)}))


def read_record(path: Path) -> dict[str, Any] | None:
    """The JSON record of a checkpoint, or None if there is no file.

    Raises:
        ModelFileError: the file is damaged or is not a checkpoint of a training.
    """
    if not path.exists():
        return None
    try:
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(min(length, path.stat().st_size)))
        record: dict[str, Any] = json.loads(header["__metadata__"][RECORD])
        return record
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise _damaged(path, error) from error


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint.

    Raises:
        ModelFileError: the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error


def restore_model(path: Path, tensors: Mapping[str, torch.Tensor], model: nn.Module) -> None:
    """Put parameters and buffers back. Brevitas makes new parameters while it loads: build optimisers afterwards.

    Raises:
        ModelFileError: the tensors do not fit the model.
    """
    try:
        model.load_state_dict(_under(tensors, "model."))
    except RuntimeError as error:
        raise _damaged(path, error) from error


def restore_training(
    tensors: Mapping[str, torch.Tensor], optimiser: torch.optim.Optimizer, hooks: Sequence[Stateful]
) -> None:
    """Put the state of optimiser and hooks back."""
    for index, parameter in enumerate(_parameters(optimiser)):
        for key, value in _under(tensors, f"optimiser.{index}.").items():
            # In the memory order of the parameter, as training made it.
            optimiser.state[parameter][key] = (
                torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
            )
    for index, hook in enumerate(hooks):
        hook.restore(_under(tensors, f"hook.{index}."))


def digest_of(settings: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> str:
    """A SHA-256 over settings and the bits of tensors: equal for equal trainings only."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, tensor in tensors.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        plain = tensor.detach().cpu().contiguous()
        digest.update(plain.reshape(-1).view(torch.uint8).numpy() if plain.numel() else b"")
    return digest.hexdigest()


def _parameters(optimiser: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _damaged(path: Path, error: Exception) -> ModelFileError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return ModelFileError(
        f"{path}: not a usable training checkpoint ({reason}); expected the safetensors file that "
        "this training wrote; delete it to start from the first epoch"
    )
