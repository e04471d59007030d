"""Mixtures: networks of untied weights and the logits of their mixing weights, as the one network of a player."""

import math

import keras
import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.networks import discriminators, generators
from ganzoo.networks.blocks import Activation
from ganzoo.settings import NonNegativeInt, PositiveInt


class Mixture(keras.Model):
    """Members of untied weights, and logits whose softmax weighs them, equally at first.

    Args:
        members: built networks of one input and output shape.
        name, dtype, trainable: of `keras.Model`; each member has a dtype policy of its own.
    """

    def __init__(self, members: list[keras.Model], *, name=None, dtype="float32", trainable=True):
        super().__init__(name=name, dtype=dtype, trainable=trainable)
        self.members = list(members)
        self.logits = self.add_weight(name="logits", shape=(len(self.members),), initializer="zeros")
        self.built = True

    def log_weights(self) -> tf.Tensor:
        """Returns the logarithms of the members' mixing weights, [T]."""
        return tf.nn.log_softmax(tf.convert_to_tensor(self.logits))

    def each(self, inputs: tf.Tensor, training: bool = False) -> list[tf.Tensor]:
        """Returns every member's output."""
        return [member(inputs, training=training) for member in self.members]

    def get_config(self) -> dict:
        members = [keras.saving.serialize_keras_object(member) for member in self.members]
        return {**super().get_config(), "members": members}

    @classmethod
    def from_config(cls, config: dict):
        members = [keras.saving.deserialize_keras_object(member) for member in config["members"]]
        return cls(**{**config, "members": members})


@keras.saving.register_keras_serializable(package="ganzoo")
class GeneratorMixture(Mixture):
    """Latents N(0, I) to what one member, drawn by its weight, makes of them.

    The last number of a latent chooses the member: its place under the normal distribution function, which is
    uniform, is looked up in the cumulated weights. The members see the numbers before it. So a row is a function
    of its own latent, and a truncated latent, whose last number is nearer 0, leaves out the outer members.
    """

    def each(self, inputs: tf.Tensor, training: bool = False) -> list[tf.Tensor]:
        return super().each(inputs[:, :-1], training)

    def choice(self, latents: tf.Tensor) -> tf.Tensor:
        """Returns the number of the member that each latent chooses, int32 [B]."""
        place = 0.5 * (1.0 + tf.math.erf(latents[:, -1:] / math.sqrt(2.0)))
        bounds = tf.cumsum(tf.exp(self.log_weights()))[:-1]
        return tf.reduce_sum(tf.cast(place > bounds, tf.int32), axis=1)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        return tf.gather(tf.stack(self.each(inputs, training), axis=1), self.choice(inputs), axis=1, batch_dims=1)


@keras.saving.register_keras_serializable(package="ganzoo")
class DiscriminatorMixture(Mixture):
    """Images to the members' mean score, each counted by its weight, [B, 1]."""

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        return tf.tensordot(tf.stack(self.each(inputs, training), axis=-1), tf.exp(self.log_weights()), 1)


def _member_options(seed: int, number: int) -> dict:
    """Returns what makes a member's initial weights, and its name, its own."""
    return {"seed": 100 * seed + number, "name": f"member_{number}"}


def generator(
    image_shape: tuple[int, ...],
    *,
    latent_dim: int,
    members: PositiveInt = 5,
    width: PositiveInt = 32,
    activation: Activation = "relu",
    normalized: bool = True,
    synchronized: bool = False,
    seed: int = 0,
    name: str = "generator",
) -> keras.Model:
    """Returns a mixture of generators, `dcgan` on images and `mlp` on points, whose last latent number chooses.

    Args:
        image_shape: (H, W, C), or (D,) for points.
        latent_dim: numbers a latent, 2 or more.
        members: how many, T.
        width: of each, as `dcgan` and `mlp` have it; 32 is half that of one DCGAN.
        activation, normalized, synchronized: as in `dcgan`; on points there is no batch norm.
        seed: of the initial weights.
        name: of the model.

    Raises:
        InputError: if the latent has no number besides the one that chooses.

    Source: Arora et al. 2017, arXiv:1703.00573, the MIX+GAN protocol.
    """
    if latent_dim < 2:
        raise InputError(f"latent_dim={latent_dim}: the last number chooses the member; give 2 or more")

    def member(number: int) -> keras.Model:
        options = {"latent_dim": latent_dim - 1, "width": width, "activation": activation}
        options |= _member_options(seed, number)
        if len(image_shape) == 1:
            return generators.mlp(image_shape, **options)
        return generators.dcgan(image_shape, normalized=normalized, synchronized=synchronized, **options)

    return GeneratorMixture([member(number) for number in range(members)], name=name)


def discriminator(
    image_shape: tuple[int, ...],
    *,
    members: PositiveInt = 5,
    width: PositiveInt = 32,
    activation: Activation = "leaky_relu",
    normalized: bool = True,
    synchronized: bool = False,
    minibatch_kernels: NonNegativeInt = 0,
    minibatch_dim: PositiveInt = 5,
    minibatch_per_replica: bool = False,
    seed: int = 0,
    name: str = "discriminator",
) -> keras.Model:
    """Returns a mixture of discriminators, `dcgan` on images and `mlp` on points.

    Args:
        image_shape: (H, W, C), or (D,) for points.
        members: how many, T.
        width: of each, as `dcgan` and `mlp` have it; 32 is half that of one DCGAN.
        activation, normalized, synchronized: as in `dcgan`; on points there is no batch norm.
        minibatch_kernels, minibatch_dim, minibatch_per_replica: as in `dcgan`.
        seed: of the initial weights.
        name: of the model.

    Source: Arora et al. 2017, arXiv:1703.00573, the MIX+GAN protocol.
    """

    def member(number: int) -> keras.Model:
        options = {"width": width, "activation": activation, **_member_options(seed, number)}
        options |= {"minibatch_kernels": minibatch_kernels, "minibatch_dim": minibatch_dim}
        options["minibatch_per_replica"] = minibatch_per_replica
        if len(image_shape) == 1:
            return discriminators.mlp(image_shape, **options)
        return discriminators.dcgan(image_shape, normalized=normalized, synchronized=synchronized, **options)

    return DiscriminatorMixture([member(number) for number in range(members)], name=name)
