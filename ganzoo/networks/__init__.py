"""Networks by name: functions that return Keras models, and the specifications that recipes give them."""

from collections.abc import Callable, Mapping

import keras

from ganzoo.errors import InputError, did_you_mean
from ganzoo.networks import autoencoders, denoisers, discriminators, flows, generators, mixtures
from ganzoo.settings import check_options

GENERATORS = {
    "affine_flow": flows.affine_flow,
    "began": generators.began,
    "dcgan": generators.dcgan,
    "mixture": mixtures.generator,
    "mlp": generators.mlp,
    "resnet": generators.resnet,
    "strided": generators.strided,
}
DISCRIMINATORS = {
    "dcgan": discriminators.dcgan,
    "mixture": mixtures.discriminator,
    "mlp": discriminators.mlp,
    "resnet": discriminators.resnet,
    "strided": discriminators.strided,
}
# Discriminators that reconstruct: images to [reconstructions, codes]. For the games that ask for them.
AUTOENCODERS = {
    "autoencoder": autoencoders.autoencoder,
    "began_autoencoder": autoencoders.began_autoencoder,
    "mlp_autoencoder": autoencoders.mlp_autoencoder,
}
# Roles that have networks of their own; the others are played by discriminators and autoencoders.
ROLES = {"generator": GENERATORS, "denoiser": {"mlp": denoisers.mlp}}
# What a convolutional network hands on to the dense one that stands in for it on points [B, D].
SHARED_OPTIONS = (
    "activation", "code_dim", "minibatch_dim", "minibatch_kernels", "minibatch_per_replica", "outputs",
    "reference_size", "spectral",
)  # fmt: skip
# Which one that is, where it is not "mlp".
ON_POINTS = dict.fromkeys(AUTOENCODERS, "mlp_autoencoder") | {"affine_flow": "affine_flow", "mixture": "mixture"}


# Both players' networks, for games that differentiate gradients.
DCGAN_WITHOUT_NORM = {
    "generator": {"architecture": "dcgan", "normalized": False},
    "discriminator": {"architecture": "dcgan", "normalized": False},
}


def architectures(role: str) -> Mapping[str, Callable]:
    """Returns the networks that can play `role`: those of `ROLES`, else discriminators and autoencoders."""
    return ROLES.get(role) or {**DISCRIMINATORS, **AUTOENCODERS}


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
    """Returns `given` laid over `default`; another architecture starts from its own defaults.

    Raises:
        InputError: if it scores where the game needs one that reconstructs, or the other way round.
    """
    name, own = given.get("architecture", default["architecture"]), default["architecture"]
    if name in DISCRIMINATORS and own in AUTOENCODERS:
        raise InputError(f"architecture={name!r} scores, this game reconstructs; choose {' or '.join(AUTOENCODERS)}")
    if name in AUTOENCODERS and own not in AUTOENCODERS:
        raise InputError(f"architecture={name!r} reconstructs images, for which this game has no use; leave it out")
    return dict(given) if name != own else {**default, **given}


def with_features(model: keras.Model) -> keras.Model:
    """Returns `model` with two outputs: its own, and the features [B, F] that its last layer sees."""
    return keras.Model(model.input, [model.output, model.layers[-1].input])


def network(role: str, spec: Mapping, image_shape: tuple[int, ...], latent_dim: int, seed: int) -> keras.Model:
    """Returns the network of `role`: latents [B, latent_dim] to images, or images to scores [B, 1].

    An autoencoder returns [reconstructions, codes] instead of scores.

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
    if len(image_shape) == 1 and spec["architecture"] != dense:
        function = architectures(role)[dense]
        kept = set(SHARED_OPTIONS) & set(function.__annotations__)
        options = {key: value for key, value in options.items() if key in kept}
    if role == "generator":
        options["latent_dim"] = latent_dim
    if role == "encoder":
        options["outputs"] = latent_dim
    return function(tuple(image_shape), seed=seed, name=role, **options)
