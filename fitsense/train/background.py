"""Clusters of samples that show no trained exercise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fitsense.data.samples import Sample
from fitsense.types import FloatArray

# Smallest mean number of samples of a cluster.
_PER_CLUSTER = 4
# Features are reduced to this many principal components, in which distances mean more and cost less.
_COMPONENTS = 64


def cluster_photos(samples: Sequence[Sample], features: Mapping[str, FloatArray], clusters: int) -> dict[str, str]:
    """Name of the cluster of each sample, by key.

    :param features: float32 (windows, feature_dim) by key; a sample is where the mean of its windows is.
    :param clusters: number of clusters; fewer if there are few samples.
    """
    if not samples:
        return {}
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    means = np.stack([features[item.key].mean(axis=0, dtype=np.float32) for item in samples])
    values = (means - means.mean(axis=0)) / (means.std(axis=0) + 1e-3)
    values = PCA(min(_COMPONENTS, *values.shape), random_state=0).fit_transform(values)
    count = max(1, min(clusters, len(samples) // _PER_CLUSTER))
    found = KMeans(count, n_init=1, random_state=0).fit_predict(values)
    return {item.key: f"cluster {cluster}" for item, cluster in zip(samples, found, strict=True)}
