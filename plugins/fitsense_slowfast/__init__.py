"""SlowFast backbones for fitsense (Feichtenhofer et al., ICCV 2019, arXiv 1812.03982)."""

from collections.abc import Iterable

from fitsense.plugins import BackboneSpec, PluginInfo, WeightsRef, hookimpl
from fitsense_slowfast.config import R50Config, R101Config, SlowFastConfig, SmallConfig
from fitsense_slowfast.network import adapt_weights, build, layers

_ZOO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/"


@hookimpl
def fitsense_plugin() -> PluginInfo:
    return PluginInfo(name="slowfast", version="1.0.0", summary="SlowFast video networks: R50, R101, small")


@hookimpl
def fitsense_backbones() -> Iterable[BackboneSpec]:
    for name, config, file in (
        ("r50", R50Config, "SLOWFAST_8x8_R50"),
        ("r101", R101Config, "SLOWFAST_8x8_R101"),
        ("small", SmallConfig, None),
    ):
        yield BackboneSpec(
            name=name,
            config=config,
            clip=SlowFastConfig.clip,
            feature_dim=SlowFastConfig.feature_dim,
            build=build,
            layers=layers,
            adapt_weights=adapt_weights,
            weights={"kinetics400": WeightsRef(f"{_ZOO}{file}.pyth", license="Apache-2.0")} if file else {},
            paper="arXiv 1812.03982",
            summary=f"SlowFast {name}",
        )
