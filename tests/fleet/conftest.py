"""A local Ray instance, shared by the tests that need it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Ray of two cores, to which this process is connected."""
    import ray

    with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings():
        # Ray's own.
        warnings.simplefilter("ignore")
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patched.delenv("RAY_ADDRESS", raising=False)
        # Workers find no files that fitsense models pull has fetched, and fetch none.
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patched.setenv("FITSENSE_OFFLINE", "1")
        ray.init(
            "local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=128 << 20,
        )
        try:
            yield ray.get_runtime_context().gcs_address
        finally:
            ray.shutdown()
