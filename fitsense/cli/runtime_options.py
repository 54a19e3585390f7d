"""The options that say what executes a bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from fitsense.inference.config import RUNTIMES

CommandT = TypeVar("CommandT", bound=Callable[..., object])

_OPTIONS = (
    click.option("--runtime", type=click.Choice(RUNTIMES), default="openvino", show_default=True),
    click.option("--device", help="What torch computes on, such as cuda:1; by default CUDA's, if there is one."),
    click.option("--compile", is_flag=True, help="Compile torch's networks: slow to start, and faster from then on."),
)


def runtime_options(command: CommandT) -> CommandT:
    """Give a command ``runtime``, ``device`` and ``compile``, as :func:`fitsense.load_model` takes them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
