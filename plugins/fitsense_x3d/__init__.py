"""X3D backbones for fitsense: X3D-XS, S, M and L (Feichtenhofer, CVPR 2020, arXiv 2004.04730)."""

from collections.abc import Iterable

from fitsense.plugins import BackboneSpec, LandmarkSpec, PluginInfo, StreamingSpec, WeightsRef, hookimpl
from fitsense_x3d import bodies, streaming
from fitsense_x3d.bodies import BodiesConfig
from fitsense_x3d.config import StreamingConfig, X3DConfig, preset
from fitsense_x3d.network import adapt_weights, build, layers

_ZOO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/"


@hookimpl
def fitsense_plugin() -> PluginInfo:
    return PluginInfo(name="x3d", version="1.0.0", summary="X3D video networks, XS to L")


@hookimpl
def fitsense_backbones() -> Iterable[BackboneSpec]:
    for size, file in (("xs", "X3D_XS"), ("s", "X3D_S"), ("m", "X3D_M"), ("l", "X3D_L")):
        yield BackboneSpec(
            name=size,
            config=preset(size),
            clip=X3DConfig.clip,
            feature_dim=X3DConfig.feature_dim,
            build=build,
            layers=layers,
            adapt_weights=adapt_weights,
            weights={"kinetics400": WeightsRef(f"{_ZOO}{file}.pyth", license="Apache-2.0")},
            paper="arXiv 2004.04730",
            summary=f"X3D-{size.upper()}",
        )
    yield BackboneSpec(
        name="bodies",
        config=BodiesConfig,
        clip=BodiesConfig.clip,
        feature_dim=BodiesConfig.feature_dim,
        build=bodies.build,
        layers=bodies.layers,
        pretrained=bodies.pretrained,
        adapt_weights=bodies.adapt_weights,
        weights={"kinetics400": WeightsRef(f"{_ZOO}X3D_S.pyth", license="Apache-2.0")},
        paper="arXiv 2004.04730",
        landmarks=LandmarkSpec(bodies.forward_with_landmarks),
        summary="X3D-S that predicts the body's landmarks",
    )
    yield BackboneSpec(
        name="streaming",
        config=StreamingConfig,
        clip=StreamingConfig.clip,
        feature_dim=StreamingConfig.feature_dim,
        build=streaming.build,
        layers=streaming.layers,
        adapt_weights=streaming.adapt_weights,
        weights={"kinetics400": WeightsRef(f"{_ZOO}X3D_S.pyth", license="Apache-2.0")},
        streaming=StreamingSpec(
            state=streaming.state, step=streaming.step, receptive_field=StreamingConfig.receptive_field
        ),
        paper="arXiv 2106.00050",
        summary="Streaming X3D-S, frame by frame",
    )
