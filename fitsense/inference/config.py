"""Configuration of a runtime: what computes branches, and how."""

from __future__ import annotations

from typing import Literal, TypedDict, get_args

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.validators import instance, integer
from fitsense.errors import InvalidInputError

RuntimeName = Literal["openvino", "torch"]
RUNTIMES: tuple[RuntimeName, ...] = get_args(RuntimeName)


class RuntimeOptions(TypedDict, total=False):
    """Keyword arguments of :func:`fitsense.load_model` and :class:`fitsense.Model` that select and tune the runtime.

    :param runtime: ``openvino`` (the default) runs the bundle's graphs on the CPU; ``torch`` runs the networks
        themselves, on a GPU if there is one, and needs ``fitsense[torch]``.
    :param threads: CPU threads, also for decoding sources that are analysed with the model; None for all cores, except
        for landmarks, which then have one.
    :param bf16: whether to compute in bfloat16; None for where both the CPU and the bundle allow it, which for
        ``torch`` is nowhere.
    :param device: device for ``torch``: ``cpu``, ``cuda``, ``cuda:1``, ``mps``, …; None for CUDA's first device, if
        there is one, else the CPU.
    :param compile: for ``torch``, whether to compile the networks with ``torch.compile``, in its mode
        ``reduce-overhead``, with CUDA graphs on a GPU. Loading then takes up to minutes, as does the first batch of
        each other size; after eight sizes, further ones run uncompiled. Batches run one after the other, in one thread.
    """

    runtime: RuntimeName
    threads: int | None
    bf16: bool | None
    device: str | None
    compile: bool


@checks_arguments
@attrs.frozen
class RuntimeConfig:
    """Validated :class:`RuntimeOptions`, with defaults.

    :raises InvalidInputError: an option is invalid, or the runtime does not support it.
    """

    runtime: RuntimeName = "openvino"
    threads: int | None = attrs.field(default=None, validator=integer(1, optional=True))
    bf16: bool | None = attrs.field(default=None, validator=instance(bool, optional=True))
    device: str | None = attrs.field(default=None, validator=instance(str, optional=True))
    compile: bool = attrs.field(default=False, validator=instance(bool))

    def __attrs_post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise InvalidInputError(f"runtime: expected one of {', '.join(RUNTIMES)}, got {self.runtime!r}")
        if self.runtime == "openvino" and (self.device is not None or self.compile):
            option = f"device {self.device!r}" if self.device is not None else "compile"
            raise InvalidInputError(
                f"{option}: expected the runtime 'torch', got 'openvino', which computes on the CPU and compiles its "
                f"graphs by itself: leave out {option.partition(' ')[0]}, or choose 'torch'"
            )
