"""``fitsense models``: the available bundles, their contents, and third-party files that some need."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click

from fitsense._internal.download_progress import download_progress
from fitsense.bundles.bundle import DEFAULT, Bundle, shipped
from fitsense.bundles.first_use import fetch, specs_with_assets
from fitsense.bundles.weights import download, file_name, import_file, resolve
from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.cli.output import results, results_only
from fitsense.errors import UnknownNameError, WeightsError
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import BackboneSpec, DetectorSpec, PoseEstimatorSpec, WeightsRef


class _ShowByDefault(click.Group):
    """Treats ``models``, ``models gym`` and ``models --json`` as ``models show …``."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in context.help_option_names):
            args = ["show", *args]
        return super().parse_args(context, args)


@click.group("models", cls=_ShowByDefault, short_help="Show and verify model bundles; fetch their assets.")
@results_only()
def command() -> None:
    """Show model bundles, or fetch the third-party files that some need.

    fitsense models [BUNDLE] is short for fitsense models show [BUNDLE].
    """


@command.command("show", short_help="Show bundles and verify them.")
@click.argument("bundle", required=False)
@click.option("--card", is_flag=True, help="Print the bundle's model card.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@results_only()
def show(bundle: str | None, card: bool, as_json: bool) -> None:
    """List the bundles that fitsense includes, or show one: a name, a folder or a zip.

    Reading a bundle verifies the sha256 of each of its files.
    """
    loaded = {name: Bundle.load(name) for name in ([bundle] if bundle else shipped())}
    if card:
        for name, item in loaded.items():
            file = item.path("README.md")
            click.echo(file.read_text("utf-8") if file.is_file() else f"{name} has no model card.", file=results())
        return
    if as_json:
        documents = {name: json.loads(item.path("model.json").read_text("utf-8")) for name, item in loaded.items()}
        click.echo(json.dumps(documents, indent=2, ensure_ascii=False), file=results())
        return
    for name, item in loaded.items():
        manifest = item.manifest
        size = sum(file.bytes for file in manifest.files) / 1e6
        exercises = [label for label in manifest.labels.exercise if label not in (IDLE, UNKNOWN)]
        click.echo(
            f"{name}{' (default)' if name == DEFAULT else ''}  {manifest.version}  {size:.1f} MB  verified",
            file=results(),
        )
        click.echo(f"  {manifest.summary}", file=results())
        click.echo(f"  exercises: {', '.join(exercises)}", file=results())
        click.echo(f"  muscles:   {', '.join(manifest.labels.muscles)}", file=results())
        for task, labels in manifest.labels.further.items():
            click.echo(f"  {task}: {', '.join(labels)}", file=results())


@command.command("pull", short_help="Fetch third-party files that a plugin needs.")
@click.argument("name", required=False)
@click.option(
    "--from",
    "origin",
    metavar="FILE|FOLDER|URL",
    help="Origin: one of the files; a folder, wheel or zip that contains them; or the URL of such a file.",
)
@results_only()
def pull(name: str | None, origin: str | None) -> None:
    """Fetch third-party files that a backbone, detector or pose estimator needs, such as the networks of blazepose.

    Without NAME, fetch all files that the bundles shipped with fitsense need, to prepare a machine or an image that
    has no network later.

    They are verified and stored in the user's cache folder. The first use of a part that needs them fetches them, too.
    Needs a network connection, unless --from names local files. FITSENSE_OFFLINE=1 forbids every download.
    """
    plugins = PluginManager.discover()
    assets = _assets_by_name(plugins)
    names = [name] if name else _needed_by_shipped(plugins)
    for wanted in names:
        if wanted not in assets:
            available = ", ".join(sorted(assets)) or "none"
            raise UnknownNameError(f"unknown assets {wanted!r}; available: {available}")
    refs = list({ref.uri: ref for wanted in names for ref in assets[wanted]}.values())
    if not refs:
        click.echo("Nothing to pull: the bundles shipped with fitsense need no third-party files.", err=True)
    paths = _pulled_from(origin, refs, plugins) if origin else fetch(refs, plugins)
    for ref, path in paths.items():
        state = "sha256 ok" if ref.sha256 else "its publisher gives no sha256"
        click.echo(
            f"{path.name}  {path.stat().st_size / 1e6:.1f} MB  {ref.license or 'licence unknown'}  {state}",
            file=results(),
        )
        click.echo(f"  is   {ref.uri}", file=results())
        click.echo(f"  in   {path}", file=results())


def _needed_by_shipped(plugins: PluginManager) -> list[str]:
    """Names of the assets that the bundles shipped with fitsense need."""
    manifests = [Bundle.load(name).manifest for name in shipped()]
    return sorted({spec.assets_name for manifest in manifests for spec in specs_with_assets(manifest, plugins)})


def _assets_by_name(plugins: PluginManager) -> Mapping[str, list[WeightsRef]]:
    """Distinct files of the backbones, detectors and pose estimators, by the name of their assets."""
    by_name: dict[str, dict[str, WeightsRef]] = {}
    specs: list[BackboneSpec | DetectorSpec | PoseEstimatorSpec] = [
        *plugins.backbones().values(),
        *plugins.detectors().values(),
        *plugins.pose_estimators().values(),
    ]
    for spec in specs:
        if spec.assets:
            by_name.setdefault(spec.assets_name, {}).update({ref.uri: ref for ref in spec.assets.values()})
    return {name: list(refs.values()) for name, refs in by_name.items()}


def _pulled_from(origin: str, refs: list[WeightsRef], plugins: PluginManager) -> Mapping[WeightsRef, Path]:
    """Import files from `origin`: at least one of them; the others may be in the cache."""
    with tempfile.TemporaryDirectory(prefix="fitsense-") as folder:
        place = Path(origin).expanduser()
        if origin.startswith("https://"):
            with download_progress(origin) as progress:
                place = download(origin, Path(folder), progress)
        if not place.exists():
            raise WeightsError(f"{origin}: no such file or folder, and no https:// address")
        paths = {ref: path for ref in refs if (path := import_file(ref, place))}
    missing = [ref for ref in refs if ref not in paths]
    if paths:
        with suppress(WeightsError):
            paths |= {ref: resolve(ref, plugins, fetch=False) for ref in missing}
    if len(paths) < len(refs):
        names = ", ".join(file_name(ref) for ref in missing)
        raise WeightsError(f"{origin}: expected {names}, or a folder, wheel or zip that contains them")
    return paths
