"""The type that networks compute in. Weights, scores, terms, averages and what samples stay float32."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from ganzoo.errors import InputError

# Keras' dtype policies by which a game can be trained.
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
HALF = ("bfloat16", "float16")


def policy_of(dtype: Any) -> keras.DTypePolicy:
    """Returns the dtype policy that Keras takes `dtype` for; None: the global one.

    Raises:
        InputError: if it is none of `POLICIES`.
    """
    try:
        policy = keras.config.dtype_policy() if dtype is None else keras.dtype_policies.get(dtype)
    except (TypeError, ValueError):
        raise InputError(f"dtype={dtype!r}: give one of {', '.join(POLICIES)}") from None
    if policy.variable_dtype in HALF:
        raise InputError(
            f"dtype={policy.name!r}: weights would be {policy.variable_dtype}, in which small steps of an optimizer "
            f"are lost; give 'mixed_{policy.variable_dtype}'"
        )
    if policy.name not in POLICIES:
        raise InputError(f"dtype={policy.name!r}: no game is trained in it; give one of {', '.join(POLICIES)}")
    return policy


@contextlib.contextmanager
def computing(policy: keras.DTypePolicy | str) -> Iterator[None]:
    """Has layers that are made meanwhile, in this thread, compute by `policy`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def in_full(config: Any) -> Any:
    """Returns the config of a network with every layer that computes in half precision made float32."""
    if isinstance(config, Mapping):
        name = config["config"]["name"] if config.get("class_name") == "DTypePolicy" else ""
        return "float32" if name.startswith("mixed_") else {key: in_full(value) for key, value in config.items()}
    return [in_full(value) for value in config] if isinstance(config, list | tuple) else config


def check_given(network: keras.Model, player: str, policy: keras.DTypePolicy) -> None:
    """Refuses a network that was given, built, if the precision of its layers does not suit the game's policy.

    Raises:
        InputError: if weights have half precision, it is known to end in that, or layers compute in float16 and losses
            are not scaled.
    """
    for weight in network.weights:
        if weight.dtype in HALF:
            raise InputError(
                f"networks.{player}: {weight.path} is {weight.dtype}, in which small steps of an optimizer are lost; "
                f'give its layer dtype="mixed_{weight.dtype}"'
            )
    for layer in network._flatten_layers():
        if layer.compute_dtype == "float16" and policy.compute_dtype != "float16":
            raise InputError(
                f"networks.{player}: layer {layer.name!r} computes in float16, and without scaled losses small "
                'gradients would become zero; give the game dtype="mixed_float16", or the layer "mixed_bfloat16"'
            )
    for output in getattr(network, "outputs", None) or ():
        if output.dtype in HALF:
            raise InputError(
                f"networks.{player} ends in {output.dtype}, too coarse for losses and pixels; give its last layer "
                'dtype="float32"'
            )


def loss_scaled(optimizer: keras.optimizers.Optimizer, replicas: int) -> keras.optimizers.Optimizer:
    """Returns an optimizer that keeps float16 gradients from underflow, as Keras wraps a model's only one by itself.

    It scales the loss up and gradients down again, and leaves out a step whose gradients overflowed. A penalty's inner
    gradient is part of the loss, and not scaled.

    Raises:
        InputError: with several replicas: it looks for an overflow on the first alone, before gradients are summed.
    """
    if replicas > 1:
        raise InputError(
            f"mixed_float16 on {replicas} replicas: Keras looks for an overflow on the first alone, and one on another "
            "would be taken for a gradient; use mixed_bfloat16, whose range is that of float32"
        )
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return optimizer if scaled else keras.optimizers.LossScaleOptimizer(optimizer)
