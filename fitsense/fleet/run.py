"""Analyses a library of videos with a pool of workers on Ray Data."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fitsense._internal.closing import Closing
from fitsense.bundles.bundle import DEFAULT, Bundle
from fitsense.errors import FitsenseError, InvalidInputError, MissingExtraError
from fitsense.fleet.library import Video, list_videos
from fitsense.fleet.outcome import Analysis, Outcome
from fitsense.fleet.results import Results

if TYPE_CHECKING:
    import ray.data

# Size of Ray's object store, which holds the bundle and events in transit; videos stay in files.
_OBJECT_BYTES = 256 << 20


class Fleet(Closing, Iterator[Outcome]):
    """An iterator over the outcomes of the videos without results, as they complete; from :func:`analyze_library`.

    Results are stored before their outcome is returned. Use the fleet as a context manager if you may stop early.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        results: Results,
        bundle: Bundle,
        analysis: Analysis,
        *,
        workers: int | None,
        address: str | None,
        retry_failed: bool,
    ) -> None:
        standing = {video.id: results.standing(video, analysis) for video in videos}
        self._videos = tuple(videos)
        self._results = results
        self._todo = tuple(
            video
            for video in videos
            if (outcome := standing[video.id]) is None or (retry_failed and outcome.status == "failed")
        )
        self._outcomes = self._run(bundle, analysis, workers, address)

    def __next__(self) -> Outcome:
        return next(self._outcomes)

    @property
    def videos(self) -> Sequence[Video]:
        """All videos of the library."""
        return self._videos

    @property
    def todo(self) -> Sequence[Video]:
        """The videos without results when the fleet was created."""
        return self._todo

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """The outcomes of the library's videos so far."""
        known = self._results.outcomes
        return [known[video.id] for video in self._videos if video.id in known]

    def close(self) -> None:
        """End the workers and write the tables; stored results are kept."""
        self._outcomes.close()

    def _run(
        self, bundle: Bundle, analysis: Analysis, workers: int | None, address: str | None
    ) -> Generator[Outcome, None, None]:
        try:
            if self._todo:
                with _quiet(), _scratch() as scratch, _cluster(address):
                    for outcome, events in _outcomes(_dataset(self._todo, bundle, analysis, workers, scratch)):
                        self._results.put(outcome, events)
                        yield outcome
        finally:
            self._results.finish()


def analyze_library(
    library: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    bundle: str | Path = DEFAULT,
    hop_s: float = 1.0,
    workers: int | None = None,
    address: str | None = None,
    retry_failed: bool = False,
) -> Fleet:
    """Analyse a library of videos on all cores of this machine or of a Ray cluster. Iterate over the result.

    Results in the folder are not computed again for the same version of a video, bundle and `hop_s`.

    :param library: folders, globs, CSV files with a column ``path``, and single videos; all may be URLs that fsspec
        supports. All machines of a cluster need the same paths.
    :param out: folder for the results.
    :param bundle: a bundle's folder or zip, or the name of a bundle that is part of fitsense; workers receive a copy.
    :param hop_s: time between predictions in seconds.
    :param workers: number of videos that are analysed concurrently, which share the cores; None for one per core.
    :param address: address of a Ray cluster, as for ``ray.init``; None for this machine. An existing connection of
        the program to Ray is reused.
    :param retry_failed: analyse videos again whose analysis failed.
    :raises SourceError: a part of the library does not exist or has no videos.
    :raises BundleError: the bundle is missing, altered, malformed or unsafe.
    :raises MissingExtraError: ``fitsense[ray]`` is not installed.

    A video that cannot be analysed has an outcome with the reason. Iterating raises :class:`WeightsError` if a worker
    lacks third-party files that the bundle needs.
    """
    try:
        import pyarrow.parquet  # noqa: F401
        import ray.data  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("fitsense fleet", "ray", error) from error
    if not 0 < hop_s < math.inf:
        raise InvalidInputError(f"hop_s: expected a number above 0, got {hop_s!r}")
    if workers is not None and workers < 1:
        raise InvalidInputError(f"workers: expected at least 1, got {workers}")
    loaded = Bundle.load(bundle)
    videos = list_videos([library] if isinstance(library, (str, Path)) else library)
    return Fleet(
        videos,
        Results(Path(out)),
        loaded,
        Analysis.of(loaded, hop_s),
        workers=workers,
        address=address,
        retry_failed=retry_failed,
    )


def share(cores: Sequence[int], videos: int, max_workers: int | None) -> tuple[int, int]:
    """Divide the cores among workers.

    :param cores: number of cores of each machine.
    :param videos: number of videos to analyse, which limits the number of workers.
    :param max_workers: None for one worker per core.
    :return: the number of workers, and the number of threads of each.
    """
    workers = max(1, min(max_workers or sum(cores), videos))
    # A worker runs on one machine.
    fitting = (threads for threads in range(1, max(cores, default=1) + 1) if _capacity(cores, threads) >= workers)
    return workers, max(fitting, default=1)


def _capacity(cores: Sequence[int], threads: int) -> int:
    return sum(count // threads for count in cores)


def _outcomes(dataset: ray.data.Dataset) -> Iterator[tuple[Outcome, str]]:
    """Outcomes and events of videos in the order of their completion."""
    from fitsense.fleet.ray_worker import read

    batches: Iterable[Any] = dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    for batch in batches:
        for row in batch.to_pylist():
            yield read(row)


def _dataset(
    todo: Sequence[Video], bundle: Bundle, analysis: Analysis, max_workers: int | None, scratch: Path
) -> ray.data.Dataset:
    """The lazy Ray dataset that analyses the videos."""
    import ray
    from ray.data import ActorPoolStrategy, from_items

    from fitsense.fleet.ray_worker import Coordinator, Worker, row_of, zip_bundle

    nodes: Iterable[Any] = ray.nodes()  # type: ignore[no-untyped-call]
    cores = [int(node["Resources"].get("CPU", 0)) for node in nodes if node["Alive"]]
    workers, threads = share(cores, len(todo), max_workers)
    coordinator = ray.remote(num_cpus=0)(Coordinator).remote(zip_bundle(bundle))
    with warnings.catch_warnings():
        # Ray Data warns about its own defaults.
        warnings.simplefilter("ignore")
        # One video per block, so that each is returned and retried separately.
        rows = from_items([row_of(video) for video in todo], override_num_blocks=len(todo)).map(
            cast(Any, Worker),
            fn_constructor_args=(coordinator, analysis, threads, scratch),
            compute=ActorPoolStrategy(
                min_size=1, max_size=workers, initial_size=workers, max_tasks_in_flight_per_actor=1
            ),
            num_cpus=threads,
        )
        rows.context.enable_progress_bars = False
    return rows


@contextlib.contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """A connection to Ray; an existing connection is reused and stays open."""
    import ray

    if ray.is_initialized():
        yield
        return
    # Disable Ray's usage reports.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            ray.init("local", include_dashboard=False, object_store_memory=_OBJECT_BYTES, **options)
        else:
            ray.init(address, **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise FitsenseError(f"Ray at {address or 'this machine'} cannot be reached: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """Prefix of the paths of workers' folders; removes those on this machine at the end, even of killed workers."""
    path = Path(tempfile.gettempdir(), f"fitsense-fleet-{uuid.uuid4().hex}")
    try:
        yield path
    finally:
        for folder in path.parent.glob(f"{path.name}-*"):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Ray Data's log of plans and deprecations."""
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
