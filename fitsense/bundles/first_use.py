"""Included bundles that need third-party files: fetch these at first use, or take another bundle that needs none."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from fitsense._internal.download_progress import download_progress
from fitsense.bundles.bundle import Bundle, shipped
from fitsense.bundles.manifest import Manifest
from fitsense.bundles.offline import refuse_offline
from fitsense.bundles.weights import file_name, is_fetched, is_remote, resolve
from fitsense.bundles.wheels import WheelAddress, Wheels
from fitsense.errors import WeightsError
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import BackboneSpec, PoseEstimatorSpec, WeightsRef

FALLBACKS = {"gym": "gym-video"}
"""Included bundles that need no third-party files, by the name of the bundle that each replaces."""


@attrs.frozen
class BundleInUse:
    """A bundle that can be loaded.

    :param notice: why it is not the requested one; empty if it is.
    """

    bundle: Bundle
    notice: str = ""


def bundle_in_use(path: str | Path, plugins: PluginManager) -> BundleInUse:
    """Load a bundle, and for an included one fetch the third-party files that it needs and that are missing.

    If they cannot be fetched, another included bundle takes its place, and a line on standard error says so.

    :raises BundleError: the bundle is missing, altered, malformed or unsafe.
    :raises WeightsError: the files cannot be fetched, and no other bundle takes its place.
    """
    bundle = Bundle.load(path)
    # As Bundle.load does, a folder of that name comes first.
    name = str(path) if str(path) in shipped() and not os.path.exists(path) else ""  # noqa: PTH110
    missing = [ref for ref in assets_of(bundle.manifest, plugins) if not _is_there(ref, plugins)]
    if not name or not missing:
        return BundleInUse(bundle)
    try:
        refuse_offline(f"the third-party files that {name} needs")
        fetch(missing, plugins)
    except WeightsError as error:
        if name not in FALLBACKS:
            raise
        notice = f"{FALLBACKS[name]} analyses in place of {name}, which needs files that are missing: {error}"
        _say(notice)
        return BundleInUse(Bundle.load(FALLBACKS[name]), notice)
    return BundleInUse(bundle)


def specs_with_assets(manifest: Manifest, plugins: PluginManager) -> list[BackboneSpec | PoseEstimatorSpec]:
    """The backbones and pose estimators of a bundle's branches that need third-party files."""
    specs: list[BackboneSpec | PoseEstimatorSpec] = []
    for branch in manifest.branches:
        if branch.observation:
            backbone = plugins.backbone(branch.backbone)
            specs.append(backbone)
            if backbone.observation and backbone.observation.pose_estimator:
                specs.append(plugins.pose_estimator(backbone.observation.pose_estimator))
    return [spec for spec in specs if spec.assets]


def assets_of(manifest: Manifest, plugins: PluginManager) -> list[WeightsRef]:
    """The distinct third-party files that a bundle's branches need."""
    specs = specs_with_assets(manifest, plugins)
    return list({ref.uri: ref for spec in specs for ref in spec.assets.values()}.values())


def fetch(refs: Sequence[WeightsRef], plugins: PluginManager) -> dict[WeightsRef, Path]:
    """Fetch files that are missing, with a line for each and a progress bar on standard error.

    :raises WeightsError: a file cannot be obtained.
    """
    missing = [ref for ref in refs if is_remote(ref) and not _is_there(ref, plugins)]
    paths = {}
    with Wheels() as wheels:
        for ref in refs:
            if ref not in missing:
                paths[ref] = resolve(ref, plugins, wheels=wheels)
                continue
            _say(f"Fetching {missing.index(ref) + 1} of {len(missing)}: {described(ref)}")
            with download_progress(file_name(ref)) as progress:
                paths[ref] = resolve(ref, plugins, progress=progress, wheels=wheels)
    return paths


def asset_files(assets: Mapping[str, WeightsRef], plugins: PluginManager) -> dict[str, Path]:
    """Third-party files by name; fetches missing ones, as the first use of an included bundle does.

    :param assets: references by the names that the plugin gives them.
    :raises WeightsError: a file cannot be obtained, or ``FITSENSE_OFFLINE`` forbids to fetch it.
    """
    paths = fetch(list({ref.uri: ref for ref in assets.values()}.values()), plugins)
    by_uri = {ref.uri: path for ref, path in paths.items()}
    return {name: by_uri[ref.uri] for name, ref in assets.items()}


def described(ref: WeightsRef) -> str:
    """Name of a file, its size if known, and its origin."""
    address = WheelAddress.parse(ref.uri)
    size = f", {ref.bytes / 1e6:.1f} MB" if ref.bytes else ""
    return f"{file_name(ref)}{size}, from {address.requirement + ' by pip' if address else ref.uri}"


def _is_there(ref: WeightsRef, plugins: PluginManager) -> bool:
    return is_fetched(ref) or plugins.resolve_weights(ref) is not None


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
