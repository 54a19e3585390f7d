"""Options of the runtime that executes a bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from fitsense.inference.config import RUNTIMES

CommandT = TypeVar("CommandT", bound=Callable[..., object])

_OPTIONS = (
    click.option(
        "--runtime",
        type=click.Choice(RUNTIMES),
        default="openvino",
        show_default=True,
        help="Library that runs the networks; torch needs fitsense[torch].",
    ),
    click.option("--device", help="Device of torch, such as cuda:1; by default CUDA if available."),
    click.option("--compile", is_flag=True, help="Compile torch networks: a slower start, then faster inference."),
)


def runtime_options(command: CommandT) -> CommandT:
    """Add the options ``runtime``, ``device`` and ``compile`` of :func:`fitsense.load_model` to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
