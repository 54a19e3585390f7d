"""A library of videos on Ray Data, with a pool of workers."""

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
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from fitsense.bundles.bundle import DEFAULT, Bundle
from fitsense.errors import FitsenseError, InvalidInputError, MissingExtraError
from fitsense.fleet.library import Video, list_videos
from fitsense.fleet.outcome import Analysis, Outcome
from fitsense.fleet.results import Results

if TYPE_CHECKING:
    import ray.data

# Videos lie in files; Ray's memory for objects holds the bundle, and events on their way.
_OBJECT_BYTES = 256 << 20


class Fleet(Iterator[Outcome]):
    """What becomes of the videos that were still to be done, as it comes; from :func:`analyze_library`.

    Results are kept before their outcome is told. Use it as a context manager where you may leave it early.
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

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __next__(self) -> Outcome:
        return next(self._outcomes)

    @property
    def videos(self) -> Sequence[Video]:
        """All videos of the library."""
        return self._videos

    @property
    def todo(self) -> Sequence[Video]:
        """Those whose results were not there yet when it was made."""
        return self._todo

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """What is known of the library's videos so far."""
        known = self._results.outcomes
        return [known[video.id] for video in self._videos if video.id in known]

    def close(self) -> None:
        """End workers; what is done stays so, and the tables are of that."""
        self._outcomes.close()

    def _run(
        self, bundle: Bundle, analysis: Analysis, workers: int | None, address: str | None
    ) -> Generator[Outcome, None, None]:
        try:
            if self._todo:
                with _quiet(), _scratch() as scratch, _cluster(address):
                    for outcome, events in _analyzed(_planned(self._todo, bundle, analysis, workers, scratch)):
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
    """Analyse a library of videos on all cores, here or on a Ray cluster: iterate over what this gives.

    What the folder of results holds already is not done again: what became of the same version of a video with the
    same bundle and `hop_s`.

    :param library: folders, globs, CSV files with a column ``path``, and single videos; all may be URLs that fsspec
        knows. A cluster's machines need to find paths at the same place.
    :param out: folder for the results.
    :param bundle: a bundle's folder, zip, or the name of one that comes with fitsense; workers are given it.
    :param hop_s: seconds between predictions.
    :param workers: how many videos are analysed at once; None for one on each core. They share the cores.
    :param address: of a Ray cluster, as ``ray.init`` takes it; None for this machine alone. Where the program is
        connected to Ray already, that is used.
    :param retry_failed: do videos again that failed.
    :raises SourceError: a part of the library does not exist, or has no videos.
    :raises BundleError: the bundle is missing, altered, malformed or unsafe.
    :raises MissingExtraError: ``fitsense[ray]`` is not installed.

    A video that cannot be analysed is an outcome that says why. Iterating raises :class:`WeightsError` where a worker
    lacks files of others that the bundle needs.
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


def share(cores: Sequence[int], videos: int, wanted: int | None) -> tuple[int, int]:
    """How many workers there are to be, and how many threads each has.

    :param cores: of each machine.
    :param videos: that are to be done; there is no use in more workers.
    :param wanted: None for a worker on each core.
    """
    workers = max(1, min(wanted or sum(cores), videos))
    # A worker is on one machine.
    fitting = (threads for threads in range(1, max(cores, default=1) + 1) if _places(cores, threads) >= workers)
    return workers, max(fitting, default=1)


def _places(cores: Sequence[int], threads: int) -> int:
    return sum(count // threads for count in cores)


def _analyzed(planned: ray.data.Dataset) -> Iterator[tuple[Outcome, str]]:
    """Outcomes and events of videos, in the order in which they come."""
    from fitsense.fleet.ray_worker import read

    batches: Iterable[Any] = planned.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    for batch in batches:
        for row in batch.to_pylist():
            yield read(row)


def _planned(
    todo: Sequence[Video], bundle: Bundle, analysis: Analysis, wanted: int | None, scratch: Path
) -> ray.data.Dataset:
    """What is to be done, as Ray Data does it."""
    import ray
    from ray.data import ActorPoolStrategy, from_items

    from fitsense.fleet.ray_worker import Foreman, Worker, packed, row_of

    nodes: Iterable[Any] = ray.nodes()  # type: ignore[no-untyped-call]
    cores = [int(node["Resources"].get("CPU", 0)) for node in nodes if node["Alive"]]
    workers, threads = share(cores, len(todo), wanted)
    foreman = ray.remote(num_cpus=0)(Foreman).remote(packed(bundle))
    with warnings.catch_warnings():
        # Ray Data warns of settings of its own.
        warnings.simplefilter("ignore")
        # A video a block, so that each is handed on, told of and repeated by itself.
        rows = from_items([row_of(video) for video in todo], override_num_blocks=len(todo)).map(
            cast(Any, Worker),
            fn_constructor_args=(foreman, analysis, threads, scratch),
            compute=ActorPoolStrategy(
                min_size=1, max_size=workers, initial_size=workers, max_tasks_in_flight_per_actor=1
            ),
            num_cpus=threads,
        )
        rows.context.enable_progress_bars = False
    return rows


@contextlib.contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Ray, for as long as it is needed; a connection that is there already is used, and left."""
    import ray

    if ray.is_initialized():
        yield
        return
    # Ray would tell its makers of every use.
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
    """How the names of workers' folders begin; those on this machine are removed in the end, whoever was killed."""
    path = Path(tempfile.gettempdir(), f"fitsense-fleet-{uuid.uuid4().hex}")
    try:
        yield path
    finally:
        for folder in path.parent.glob(f"{path.name}-*"):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what Ray Data says of its own plans and deprecations."""
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
