# SPDX-License-Identifier: Apache-2.0
"""A network under a runtime of this machine, as a function that runs it once on random inputs."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import InputError, ToolMissing, UnknownNameError, UnsupportedError
from hwsim.network import Layer, Network
from hwsim.registry import suggest
from slimfab.measure.onnx_graph import onnx_model

if TYPE_CHECKING:
    import torch

Call = Callable[[], object]
RUNTIMES = {"onnxruntime": ("int8", "fp32"), "torch": ("fp32",)}  # and the number types they are measured in


def prepare(network: Network, runtime: str, dtype: str, threads: int, seed: int = 0) -> Call:
    """A call that runs the network once.

    Raises:
        UnknownNameError: no such runtime.
        InputError: the runtime is not measured in that number type.
        UnsupportedError: a layer that is not measured, by name.
        ToolMissing: the runtime is not installed.
    """
    if runtime not in RUNTIMES:
        raise UnknownNameError(f"unknown runtime '{runtime}'; {suggest(runtime, RUNTIMES)}")
    if dtype not in RUNTIMES[runtime]:
        raise InputError(f"{runtime}: got type {dtype}; expected {' or '.join(RUNTIMES[runtime])}; choose another one")
    if runtime == "torch":
        return torch_call(network, threads, seed)
    return onnxruntime_call(onnxruntime_session(onnx_model(network, dtype == "int8", seed=seed), threads))


def version(runtime: str) -> str:
    """The runtime with its version, e.g. "ONNX Runtime 1.27.0"."""
    try:
        if runtime == "torch":
            import torch

            return f"torch {torch.__version__} eager"
        import onnxruntime

        return f"ONNX Runtime {onnxruntime.__version__}"
    except ImportError:
        raise _missing(runtime) from None


def _missing(runtime: str) -> ToolMissing:
    return ToolMissing(f"{runtime}: is not installed; calibrating needs it; pip install 'slimfab[measure]'")


def onnxruntime_session(model: bytes, threads: int, profile: str = "") -> Any:
    """A session of ONNX Runtime on the processor, which writes a profile to a file that begins like `profile`."""
    try:
        import onnxruntime
    except ImportError:
        raise _missing("onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def onnxruntime_call(session: Any) -> Call:
    """A call that runs a session once on random inputs."""
    generator = np.random.default_rng(0)
    inputs = {one.name: generator.normal(size=one.shape).astype(np.float32) for one in session.get_inputs()}
    return lambda: session.run(None, inputs)


def torch_call(network: Network, threads: int, seed: int, laps: list[list[int]] | None = None) -> Call:
    """A call that runs the network once in torch on the processor; see :func:`torch_steps`."""
    try:
        import torch
    except ImportError:
        raise _missing("torch") from None
    torch.set_num_threads(threads)
    return torch_steps(network, seed, laps=laps)


def torch_steps(network: Network, seed: int, device: str = "cpu", laps: list[list[int]] | None = None) -> Call:
    """A call that runs the network's layers one after another in torch, on random inputs of one image.

    Where `laps` is given, every run appends what each layer took in ns, in the order of the network's layers.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)

    def drawn(shape: tuple[int, ...]) -> "torch.Tensor":
        return torch.randn(shape, generator=generator).to(device)

    values = {name: drawn((1, *network.tensors[name].shape)) for name in network.inputs}
    weights = {name: 0.05 * drawn(network.tensors[name].shape) for name in network.parameter_names}
    steps = [(layer, _step(layer, weights)) for layer in network.layers if layer.op not in ("input", "output")]
    last = {name: index for index, (layer, _) in enumerate(steps) for name in layer.inputs}
    over = [[name for name in set(layer.inputs) if last[name] == index and name not in network.outputs]
            for index, (layer, _) in enumerate(steps)]  # fmt: skip

    def run() -> object:
        held = dict(values)
        with torch.inference_mode():
            for (layer, step), unneeded in zip(steps, over, strict=True):
                held[layer.output] = step(*(held[name] for name in layer.inputs))
                for name in unneeded:  # memory is used again, as in a module's forward
                    del held[name]
        return held

    def timed() -> object:
        held, taken = dict(values), []
        with torch.inference_mode():
            for (layer, step), unneeded in zip(steps, over, strict=True):
                start = time.perf_counter_ns()
                held[layer.output] = step(*(held[name] for name in layer.inputs))
                for name in unneeded:
                    del held[name]
                taken.append(time.perf_counter_ns() - start)
        assert laps is not None
        laps.append(taken)
        return held

    return run if laps is None else timed


def _step(layer: Layer, weights: "dict[str, torch.Tensor]") -> Callable[..., Any]:
    """What a layer does in torch's eager mode."""
    from torch.nn import functional as f

    attrs, params = layer.attrs, {role: weights[name] for role, name in layer.params.items()}
    if layer.op == "dense":
        return lambda x: f.linear(x, params["weight"], params.get("bias"))
    if layer.op == "conv2d":
        return _padded(attrs, lambda x, pad: f.conv2d(
            x, params["weight"], params.get("bias"), attrs["stride"], pad, attrs["dilation"], attrs["groups"]
        ))  # fmt: skip
    if layer.op == "batch_norm":
        zeros, ones = 0 * params["scale"], 0 * params["scale"] + 1
        return lambda x: f.batch_norm(x, zeros, ones, params["scale"], params["shift"])
    if layer.op == "max_pool2d":
        return _padded(attrs, lambda x, pad: f.max_pool2d(x, attrs["kernel"], attrs["stride"], pad))
    if layer.op == "avg_pool2d":
        return _padded(attrs, lambda x, pad: f.avg_pool2d(x, attrs["kernel"], attrs["stride"], pad))
    return _simple(layer)


def _simple(layer: Layer) -> Callable[..., Any]:
    import torch
    from torch.nn import functional as f

    low, high = layer.attrs.get("low"), layer.attrs.get("high")
    steps: dict[str, Callable[..., Any]] = {
        "relu": torch.relu,
        "clip": lambda x: torch.clamp(x, low, high),
        "requantise": lambda x: x,
        "add": lambda first, *rest: sum(rest, start=first),
        "concat": lambda *parts: torch.cat(parts, 1),
        "flatten": lambda x: torch.flatten(x, 1),
        "global_avg_pool": lambda x: f.adaptive_avg_pool2d(x, 1),
        "global_max_pool": lambda x: f.adaptive_max_pool2d(x, 1),
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "softmax": lambda x: torch.softmax(x, 1),
        "hard_swish": f.hardswish,
        "hard_sigmoid": f.hardsigmoid,
    }
    if layer.op not in steps:
        raise UnsupportedError(f"{layer.name}: {layer.op} is not measured; expected {', '.join(steps)}; leave it out")
    return steps[layer.op]


def _padded(attrs: Any, compute: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """Symmetric padding goes to the operator, other padding is an operation of its own, as exporters write it."""
    from torch.nn import functional as f

    top, left, bottom, right = attrs["padding"]
    if (top, left) == (bottom, right):
        return lambda x: compute(x, (top, left))
    return lambda x: compute(f.pad(x, (left, right, top, bottom)), (0, 0))
