"""Networks by name: functions that return Keras models, and the specifications that recipes give them."""

from collections.abc import Callable, Mapping

import keras

from ganzoo.errors import InputError, did_you_mean
from ganzoo.networks import discriminators, flows, generators, mixtures
from ganzoo.settings import check_options

GENERATORS = {
    "affine_flow": flows.affine_flow,
    "dcgan": generators.dcgan,
    "mixture": mixtures.generator,
    "mlp": generators.mlp,
}
DISCRIMINATORS = {
    "dcgan": discriminators.dcgan,
    "mixture": mixtures.discriminator,
    "mlp": discriminators.mlp,
    "resnet": discriminators.resnet,
}
# What a convolutional network hands on to the dense one that stands in for it on points [B, D].
SHARED_OPTIONS = ("activation", "minibatch_kernels", "minibatch_dim", "outputs")
# Which one that is, where it is not "mlp".
ON_POINTS = {"affine_flow": "affine_flow", "mixture": "mixture"}


def architectures(role: str) -> Mapping[str, Callable]:
    """Returns the networks that can play `role`: generators for "generator", else discriminators."""
    return GENERATORS if role == "generator" else DISCRIMINATORS


def builder(role: str, spec: Mapping) -> Callable:
    """Returns the function that `spec` names.

    Raises:
        InputError: if the architecture or one of its options is unknown, of a wrong type, or impossible.
    """
    known = architectures(role)
    name = spec.get("architecture")
    if name not in known:
        raise InputError(f"networks.{role}.architecture={name!r} is unknown; {did_you_mean(str(name), known)}")
    given = {key: value for key, value in spec.items() if key != "architecture"}
    check_options(known[name], given, f"networks.{role}.", skip=("image_shape", "latent_dim", "seed", "name"))
    return known[name]


def specification(default: Mapping, given: Mapping) -> dict:
    """Returns `given` laid over `default`; another architecture starts from its own defaults."""
    other = given.get("architecture", default["architecture"]) != default["architecture"]
    return dict(given) if other else {**default, **given}


def with_features(model: keras.Model) -> keras.Model:
    """Returns `model` with two outputs: its own, and the features [B, F] that its last layer sees."""
    return keras.Model(model.inputs, [model.output, model.layers[-1].input])


def network(role: str, spec: Mapping, image_shape: tuple[int, ...], latent_dim: int, seed: int) -> keras.Model:
    """Returns the network of `role`: latents [B, latent_dim] to images, or images to scores [B, 1].

    Args:
        role: the player whose network it is; its name, too.
        spec: `{"architecture": name, **options}`.
        image_shape: (H, W, C), or (D,) for points, where an MLP stands in for a convolutional network.
        latent_dim: numbers a latent.
        seed: of the initial weights.

    Raises:
        InputError: if the specification names something unknown.
    """
    function = builder(role, spec)
    options = {key: value for key, value in spec.items() if key != "architecture"}
    dense = ON_POINTS.get(spec["architecture"], "mlp")
    if len(image_shape) == 1 and spec["architecture"] not in ("mlp", *ON_POINTS.values()):
        function = architectures(role)[dense]
        kept = set(SHARED_OPTIONS) & set(function.__annotations__)
        options = {key: value for key, value in options.items() if key in kept}
    if role == "generator":
        options["latent_dim"] = latent_dim
    if role == "encoder":
        options["outputs"] = latent_dim
    return function(tuple(image_shape), seed=seed, name=role, **options)
