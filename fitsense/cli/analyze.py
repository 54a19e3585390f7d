"""``fitsense analyze``: events of a video, as a live view on a terminal or as NDJSON."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING

import click
from click.core import ParameterSource

from fitsense.bundles.bundle import DEFAULT
from fitsense.bundles.first_use import FALLBACKS
from fitsense.catalogue import Catalogue
from fitsense.cli.event_file import open_event_file
from fitsense.cli.exit_codes import ExitCode
from fitsense.cli.languages import lang_option
from fitsense.cli.moments import moment
from fitsense.cli.option_values import names, region_value
from fitsense.cli.output import results, results_only
from fitsense.cli.overlay import draw_overlay
from fitsense.cli.runtime_options import runtime_options
from fitsense.events.model import Event, SessionEnded, SessionWarning
from fitsense.geometry import Region
from fitsense.inference.config import RuntimeName
from fitsense.inference.model import load_model
from fitsense.pipeline.analysis import Analysis, analyze
from fitsense.session.config import SessionConfig
from fitsense.video.inputs import Source

if TYPE_CHECKING:
    from fitsense.sinks.delivery import Delivery
    from fitsense.sinks.settings import SinkSettings
    from fitsense.video.frame_queue import Policy
    from fitsense.video.live import LiveConfig


@click.command(
    "analyze",
    short_help="Find the exercises in a video.",
    context_settings={"allow_extra_args": True},
)
@click.argument("source", required=False)
@click.option(
    "--sample",
    is_flag=True,
    help="Analyse a rendered sample workout instead of a SOURCE, by default with gym-video, which needs no download.",
)
@click.option(
    "--events",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the events here as NDJSON; - for standard output.",
)
@click.option(
    "--sink",
    "sinks",
    metavar="NAME=URL|FILE.toml",
    multiple=True,
    help="Also send the events there, such as webhook=https://app.example/events; repeatable.",
)
@click.option(
    "--overlay",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the video with labels and muscle bars drawn on it.",
)
@click.option("--bundle", default=DEFAULT, show_default=True, help="A bundle's name, folder or zip.")
@runtime_options
@click.option(
    "--hop",
    type=click.FloatRange(0.1, 60.0),
    default=1.0,
    show_default=True,
    help="Seconds between predictions.",
)
@click.option(
    "--exercises",
    metavar="NAME,NAME,…",
    callback=names,
    help="Name only these exercises, such as squat,push_up; may be given several times.",
    multiple=True,
)
@click.option("--expected", metavar="NAME", help="Exercise that a guided workout asks for, which becomes more likely.")
@click.option(
    "--region",
    metavar="LEFT,TOP,RIGHT,BOTTOM",
    callback=region_value,
    help="Analyse only this part of the picture, in shares of its width and height.",
)
@click.option("--people", is_flag=True, help="Track every person; each has separate events.")
@click.option("--detector", default="pose/people", show_default=True, help="Detector for --people.")
@click.option(
    "--live",
    "policy",
    type=click.Choice(["latest", "all"]),
    default="latest",
    show_default=True,
    help="When analysis cannot keep up with a live source: latest drops the oldest frames, all lags behind. Both emit "
    "warnings.",
)
@click.option(
    "--reconnect",
    type=click.FloatRange(min=0.0),
    default=300.0,
    show_default=True,
    help="Seconds to try to reconnect to a live source; 0 ends with the source.",
)
@click.option(
    "--hwaccel",
    metavar="TYPE",
    help="Hardware decoder, such as cuda or videotoolbox; falls back to the CPU.",
)
@click.option(
    "--track",
    type=click.IntRange(min=0),
    help="Index of the video track, from 0; by default the track that players choose.",
)
@click.option(
    "--source",
    "source_uri",
    metavar="URI",
    help="Source URI in the events, such as urn:gym:door; by default the file name with a digest of the content.",
)
@click.option(
    "--started-at",
    metavar="ISO",
    callback=moment,
    help="Start time of the video, such as 2026-05-01T18:30+02:00; by default from the file's metadata.",
)
@click.option(
    "--snapshot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the state of the analysis in this file; the same command after a crash continues it, and --events.",
)
@click.option(
    "-q", "--quiet", is_flag=True, help="Show and print nothing but errors, beside --events, --sink and --overlay."
)
@lang_option
@click.option(
    "--font",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A font for --overlay, if no usual one has the characters of --lang.",
)
@results_only()
def command(
    source: str | None,
    sample: bool,
    events: Path | None,
    sinks: tuple[str, ...],
    overlay: Path | None,
    bundle: str,
    runtime: RuntimeName,
    device: str | None,
    compile: bool,
    hop: float,
    exercises: tuple[str, ...] | None,
    expected: str | None,
    region: Region | None,
    people: bool,
    detector: str,
    policy: Policy,
    reconnect: float,
    hwaccel: str | None,
    track: int | None,
    source_uri: str | None,
    started_at: datetime | None,
    snapshot: Path | None,
    quiet: bool,
    catalogue: Catalogue,
    font: Path | None,
) -> None:
    """Find the exercises in SOURCE, with start, end and activated muscle groups.

    SOURCE is a video file, a URL (rtsp, http, …), camera:0, a FIFO, or - for standard input. On a terminal, a live view
    shows the result; piped, or with --events, events are written as NDJSON, one per line, as soon as they are emitted.
    Ctrl-C ends with a valid session.ended.
    """
    _check_source(source, sample, track)
    _check_outputs(source, events, overlay)
    if quiet and not sinks and overlay is None and (events is None or str(events) == "-"):
        raise click.UsageError("--quiet: nothing would come of it; give --events FILE, --sink or --overlay")
    if region is not None and people:
        raise click.UsageError("give either --region or --people")
    if overlay is not None and snapshot is not None:
        raise click.UsageError("--overlay needs all events of one run: leave out --snapshot")
    if overlay is not None:
        from fitsense.video.overlay import find_font

        find_font(catalogue, font)
    if sample and click.get_current_context().get_parameter_source("bundle") is ParameterSource.DEFAULT:
        # The sample needs no download, and only bundles on pictures were trained on rendered figures.
        bundle = FALLBACKS.get(bundle, bundle)
    video, config, live = _video(source, policy, reconnect)
    kept: list[Event] = []
    with contextlib.ExitStack() as stack:
        # Opened first, so that errors come before the analysis; closed last, and Ctrl-C interrupts that.
        deliveries = [stack.enter_context(settings.open()) for settings in map(_sink, sinks)]
        model = load_model(bundle, runtime=runtime, device=device, compile=compile)
        analysis = analyze(
            video,
            model=model,
            config=config,
            hop_s=hop,
            live=live,
            region=region,
            people=detector if people else None,
            hwaccel=hwaccel,
            track=track,
            source_uri=source_uri,
            started_at=started_at,
            exercises=exercises,
            expected=expected,
            snapshot_to=snapshot,
        )
        poses = analysis.record_poses() if overlay is not None else None
        terminal = results().isatty() and str(events) != "-"
        outputs: list[IO[str]] = []
        if events is not None and str(events) != "-":
            outputs.append(stack.enter_context(open_event_file(events, continued=analysis.resumed)))
        elif not quiet and not terminal:
            outputs.append(results())
        stack.enter_context(_stopping(analysis))
        if terminal and not quiet:
            _show(analysis, outputs, deliveries, kept, catalogue)
        else:
            _write_all(analysis, outputs, deliveries, kept)
    code = _exit_code(analysis, kept)
    if overlay is not None and code != ExitCode.INTERRUPTED:
        frames = draw_overlay(overlay, video, kept, poses, people, track, catalogue, font)
        if not quiet:
            click.echo(f"{overlay}: {frames} frames", err=True)
    sys.exit(code)


def _check_source(source: str | None, sample: bool, track: int | None) -> None:
    """Reject arguments that do not name exactly one video."""
    if more := click.get_current_context().args:
        raise click.UsageError(
            f"expected one SOURCE, got {len(more) + 1}; for several run  "
            f"{shlex.join(['fitsense', 'fleet', str(source), *more, '--out', 'FOLDER'])}"
        )
    if (source is None) == (not sample):
        raise click.UsageError("give either a SOURCE or --sample")
    if sample and track is not None:
        raise click.UsageError("--track chooses among a SOURCE's video tracks: leave out --sample")


def _video(
    source: str | None, policy: Policy, reconnect: float
) -> tuple[Source, SessionConfig | None, LiveConfig | None]:
    """The video and how to read it: the source, or else the rendered sample."""
    if source is None:
        from fitsense.synthetic.figures import sample

        return sample(), SessionConfig(source="urn:fitsense:sample"), None
    from fitsense.video.live import LiveConfig

    return source, None, LiveConfig(policy=policy, reconnect_timeout_s=reconnect)


def _sink(value: str) -> SinkSettings:
    from fitsense.sinks.settings import SinkSettings

    if value.endswith(".toml"):
        return SinkSettings.read(Path(value))
    name, equals, url = value.partition("=")
    # A URL without a name may have an = in its password.
    if not (name and equals and url) or "://" in name:
        raise click.UsageError(f"--sink: expected NAME=URL or a .toml, got {value!r}")
    return SinkSettings(name, {"url": url})


def _show(
    analysis: Analysis,
    outputs: list[IO[str]],
    deliveries: list[Delivery],
    kept: list[Event],
    catalogue: Catalogue,
) -> None:
    from rich.console import Console

    from fitsense.cli.live_view import LiveView, summary

    console = Console(file=results())
    with LiveView(console, analysis, catalogue) as view:
        for event in analysis:
            kept.append(event)
            _write(event, outputs, deliveries)
            view.show(event)
    for event in kept:
        if isinstance(event.data, SessionEnded):
            console.print(summary(event.data, catalogue, event.subject))


def _write_all(analysis: Analysis, outputs: list[IO[str]], deliveries: list[Delivery], kept: list[Event]) -> None:
    for event in analysis:
        kept.append(event)
        _write(event, outputs, deliveries)
        if (damage := _damage(event)) is not None:
            click.echo(f"fitsense: {damage.message}", err=True)


def _write(event: Event, outputs: list[IO[str]], deliveries: list[Delivery]) -> None:
    for delivery in deliveries:
        delivery.put(event)
    for output in outputs:
        output.write(event.to_json() + "\n")
        output.flush()


@contextlib.contextmanager
def _stopping(analysis: Analysis) -> Iterator[None]:
    """Make SIGINT and SIGTERM end the session instead of the process."""

    def stop(number: int, frame: FrameType | None) -> None:
        analysis.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_outputs(source: str | None, events: Path | None, overlay: Path | None) -> None:
    """Reject outputs that cannot be written, or that would overwrite the source, before the analysis."""
    from fitsense.video.bytestream import is_pipe
    from fitsense.video.opening import is_live

    if overlay is not None and source is not None and (is_live(source) or is_pipe(source)):
        raise click.UsageError("--overlay needs a file: it reads the video a second time")
    if overlay is not None and overlay.suffix.lower() not in (".mp4", ".mov", ".mkv"):
        raise click.UsageError(f"--overlay writes .mp4, .mov or .mkv, not {overlay.name}")
    for option, path in (("--events", events), ("--overlay", overlay)):
        if path is None or str(path) == "-":
            continue
        if not path.absolute().parent.is_dir():
            raise click.UsageError(f"{option}: there is no folder {path.absolute().parent}")
        if source is not None and path.exists() and Path(source).exists() and path.samefile(source):
            raise click.UsageError(f"{option} would overwrite the source")
    if events is not None and overlay is not None and events.absolute() == overlay.absolute():
        raise click.UsageError("--events and --overlay name the same file")


def _exit_code(analysis: Analysis, events: list[Event]) -> ExitCode:
    if analysis.reason == "interrupted":
        return ExitCode.INTERRUPTED
    damaged = any(_damage(event) is not None for event in events)
    return ExitCode.DAMAGED_SOURCE if damaged else ExitCode.OK


def _damage(event: Event) -> SessionWarning | None:
    """The event's warning of a damaged or incomplete source; None for other events."""
    data = event.data
    return data if isinstance(data, SessionWarning) and data.code.startswith("source_") else None
