"""``fitsense workout``: export of an event log to other fitness programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import click

from fitsense._internal.atomic import atomic_path
from fitsense.catalogue import Catalogue
from fitsense.cli.languages import lang_option
from fitsense.cli.moments import moment
from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.events.log import EventLog, load_log
from fitsense.workouts.csv import to_csv
from fitsense.workouts.device import DEVICE_TYPES, Device
from fitsense.workouts.fit import to_fit
from fitsense.workouts.health_connect import to_health_connect
from fitsense.workouts.healthkit import to_healthkit
from fitsense.workouts.tcx import to_tcx
from fitsense.workouts.workout import Workout, has_workout, workout_of

# CSV holds any number of workouts, the other formats one, of one person.
_OF_SEVERAL = "csv"
_OF_ONE: Mapping[str, Callable[[Workout, Device | None, Catalogue], bytes]] = {
    "fit": lambda workout, device, catalogue: to_fit(workout, catalogue),
    "tcx": lambda workout, device, catalogue: to_tcx(workout, catalogue).encode(),
    "health-connect": lambda *of: to_health_connect(*of).encode(),
    "healthkit": lambda *of: to_healthkit(*of).encode(),
}
_WITH_DEVICE = ("health-connect", "healthkit")
_FORMATS = (*_OF_ONE, _OF_SEVERAL)
_ENDINGS = {".fit": "fit", ".tcx": "tcx", ".csv": "csv", ".json": "health-connect"}


def _device(context: click.Context, parameter: click.Parameter, value: str | None) -> Device | None:
    try:
        return None if value is None else Device.parse(value)
    except InvalidInputError as error:
        raise click.BadParameter(str(error)) from None


@click.command("workout", short_help="Export sets as FIT, TCX, CSV or for phones' health stores.")
@click.argument("events", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--format", "format_", type=click.Choice(_FORMATS), help="By default the extension of -o.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write here instead of standard output."
)
@click.option(
    "--started-at", metavar="ISO", callback=moment, help="Start time of the video; by default from the events."
)
@click.option(
    "--device",
    metavar="TYPE[:MAKER[:MODEL]]",
    callback=_device,
    help=f"Device that filmed it, for {' and '.join(_WITH_DEVICE)}: {', '.join(DEVICE_TYPES)}.",
)
@click.option("--session", type=click.IntRange(1), help="Number of one of several sessions, from 1.")
@lang_option
def command(
    events: Path,
    format_: str | None,
    output: Path | None,
    started_at: datetime | None,
    device: Device | None,
    session: int | None,
    catalogue: Catalogue,
) -> None:
    """Export the sets in EVENTS, NDJSON of fitsense analyze, for other fitness programs.

    EVENTS is a file, or - for standard input. An incomplete log is exported up to its end.
    """
    if format_ is None:
        format_ = _ENDINGS.get(output.suffix.lower()) if output is not None else None
    if format_ is None:
        raise click.UsageError(f"give --format {'|'.join(_FORMATS)}, or -o FILE that ends in {', '.join(_ENDINGS)}")
    if device is not None and format_ not in _WITH_DEVICE:
        raise click.UsageError(f"--device is for {' and '.join(_WITH_DEVICE)}, not for {format_}")
    if output is not None and str(output) == "-":
        output = None
    if output is not None and output.resolve() == events.resolve():
        raise click.UsageError(f"{output}: that would overwrite the events")
    if output is None and format_ == "fit" and sys.stdout.isatty():
        raise click.UsageError("FIT is binary and not for a terminal: give -o FILE")
    logs = _chosen(_read(events), events, session)
    if len(logs) > 1 and format_ != _OF_SEVERAL:
        raise click.UsageError(f"{format_} holds one workout: choose one by --session\n{_listed(logs)}")
    if len(logs) > 1 and started_at is not None and len({log.subject for log in logs}) < len(logs):
        raise click.UsageError(f"these sessions have different starts: choose one by --session\n{_listed(logs)}")
    try:
        workouts = [workout_of(log, started_at) for log in logs]
        if format_ == _OF_SEVERAL:
            content = to_csv(workouts, catalogue).encode(errors="replace")
        else:
            content = _OF_ONE[format_](workouts[0], device, catalogue)
    except FitsenseError as error:
        raise type(error)(f"{events}: {error}") from error
    for workout in workouts:
        if not workout.complete:
            click.echo(f"fitsense: {events}: {workout.source} breaks off; its last set may be longer", err=True)
    _write(content, output)


def _read(events: Path) -> list[EventLog]:
    try:
        return load_log(sys.stdin.buffer if str(events) == "-" else events)
    except OSError as error:
        raise FitsenseError(f"{events}: {error.strerror or error}") from error
    except FitsenseError as error:
        raise type(error)(f"{events}: {error}") from error


def _chosen(logs: Sequence[EventLog], events: Path, session: int | None) -> list[EventLog]:
    workouts = [log for log in logs if has_workout(log)]
    if not workouts:
        raise FitsenseError(f"{events}: expected events of a session, as fitsense analyze writes them; there are none")
    if session is None:
        return workouts
    if session > len(workouts):
        raise click.UsageError(f"--session {session}: there are {len(workouts)}\n{_listed(workouts)}")
    return [workouts[session - 1]]


def _listed(logs: Sequence[EventLog]) -> str:
    return "\n".join(
        f"  {number}  {log.source}{f' of {log.subject}' if log.subject else ''}" for number, log in enumerate(logs, 1)
    )


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        click.echo(content, nl=False)
        return
    try:
        with atomic_path(output) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise FitsenseError(f"{output}: cannot be written: {error.strerror or error}") from error
