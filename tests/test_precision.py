"""What computes in half precision, and what must not."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import ganzoo
from ganzoo import precision, training
from ganzoo.config import build, load_recipe
from ganzoo.errors import InputError
from ganzoo.noise import Stream

LOSS_SCALE = 2.0**10


def stream(gan):
    return Stream(gan.seed, gan.step.value, "update")


def far(ours, theirs):
    """Returns the distance of two vectors by the length of the second: single units may fall on another side of 0."""
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def flat(gradients):
    """Returns player -> its gradients as one vector."""
    return {
        player: np.concatenate([np.ravel(g) for g in values if g is not None]) for player, values in gradients.items()
    }


# The policy.


@pytest.mark.parametrize("policy", ["mixed_bfloat16", keras.DTypePolicy("mixed_float16")])
def test_dtype_is_the_policy_of_the_networks(policy, build_tiny):
    gan, half = build_tiny("dual_d_selu", dtype=policy), str(getattr(policy, "name", policy)).removeprefix("mixed_")
    for player in gan.players:
        network = getattr(gan, player)
        assert {layer.compute_dtype for layer in network.layers if layer.weights} == {half, "float32"} or (
            player == "generator" and network.layers[1].compute_dtype == half
        )
        assert all(output.dtype == "float32" for output in network.outputs)
    assert {layer.compute_dtype for layer in gan.averaged_generator.layers} == {"float32"}
    assert {weight.dtype for weight in gan.weights} <= {"float32", "int64"}
    assert keras.config.dtype_policy().name == "float32"  # of the process


def test_the_global_policy_is_the_default(build_tiny):
    with precision.computing("mixed_bfloat16"):
        gan = build_tiny("dcgan")
        exact = build_tiny("dcgan", dtype="float32")
    assert gan.discriminator.layers[1].compute_dtype == "bfloat16"
    assert gan.averaged_generator.layers[1].compute_dtype == "float32"
    assert exact.discriminator.layers[1].compute_dtype == "float32"


def test_the_policy_is_restored_after_a_mistake():
    with pytest.raises(ZeroDivisionError), precision.computing("mixed_bfloat16"):
        raise ZeroDivisionError
    assert keras.config.dtype_policy().name == "float32"


def test_what_samples_is_float32_to_the_last_bit(build_tiny, scattered):
    """Not even latents are rounded: two games that differ in their policy alone draw the same images."""
    half, full = (scattered(build_tiny("dcgan", dtype=dtype)) for dtype in ("mixed_bfloat16", "float32"))
    np.testing.assert_array_equal(half.generate(16), full.generate(16))
    latents = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    np.testing.assert_array_equal(half(latents), full(latents))
    assert half.generate(4, averaged=False).dtype == np.uint8


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        ("bfloat16", "weights would be bfloat16.* give 'mixed_bfloat16'"),
        ("float16", "give 'mixed_float16'"),
        ("mixed_bfloat", "dtype='mixed_bfloat': give one of float32, mixed_bfloat16"),
        (16, "dtype=16: give one of"),
        ("float64", "dtype='float64': no game is trained in it; give one of float32"),
        ("int32", "dtype='int32': no game"),
        ("int8_from_float32", "dtype='int8_from_float32': no game"),
        (keras.dtype_policies.DTypePolicyMap(default_policy="float32"), "no game"),
    ],
)
def test_impossible_policies_are_refused(dtype, message):
    with pytest.raises(InputError, match=message):
        ganzoo.build("dcgan", dtype=dtype)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_given_networks_keep_their_policy(policy):
    def network(outputs, last):
        made = [layers.Dense(4, dtype="mixed_bfloat16"), layers.Dense(outputs, dtype=last)]
        return keras.Sequential([keras.Input((3 if outputs == 1 else 6,)), *made])

    given = {"generator": network(3, "float32"), "discriminator": network(1, "float32")}
    gan = ganzoo.build("dcgan", image_shape=(3,), latent_dim=6, networks=given, dtype=policy)
    assert gan.discriminator.layers[0].compute_dtype == "bfloat16"
    assert [layer.compute_dtype for layer in gan.averaged_generator.layers] == ["float32"] * 2
    given["discriminator"] = network(1, "mixed_bfloat16")
    with pytest.raises(InputError, match=r'networks.discriminator ends in bfloat16.* dtype="float32"'):
        ganzoo.build("dcgan", image_shape=(3,), latent_dim=6, networks=given, dtype=policy)


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ("bfloat16", r'kernel is bfloat16.* dtype="mixed_bfloat16"'),
        ("float16", r'kernel is float16.* dtype="mixed_float16"'),
        ("mixed_float16", r"layer 'inner' computes in float16, and without scaled losses"),
    ],
)
def test_given_networks_keep_the_rules(inner, message):
    """However deep what breaks them is."""

    def network(units):
        within = keras.Sequential([keras.Input((units,)), layers.Dense(4, dtype=inner, name="inner")])
        return keras.Sequential([keras.Input((units,)), within, layers.Dense(9 - units, dtype="float32")])

    settings = {"image_shape": (3,), "latent_dim": 6, "discriminator_steps": 1}
    for policy in ("float32", "mixed_bfloat16"):
        with pytest.raises(InputError, match=f"networks.generator: .*{message}"):
            ganzoo.build("dcgan", networks={"generator": network(6)}, dtype=policy, **settings)
    if inner == "mixed_float16":
        gan = ganzoo.build("dcgan", networks={"generator": network(6)}, dtype=inner, **settings)
        assert isinstance(gan.optimizers["generator"], keras.optimizers.LossScaleOptimizer)


@pytest.mark.long
def test_a_run_names_the_global_policy(tmp_path):
    """And goes on in no other, unless it is asked for what it has."""
    from test_training import write_recipe

    def trained(steps, *changes):
        recipe = load_recipe(write_recipe(tmp_path, steps), changes)
        return training.train(recipe, tmp_path / "run", say=lambda _: None)

    with precision.computing("mixed_bfloat16"):
        trained(1)
    with pytest.raises(InputError, match=r"train.precision: 'mixed_bfloat16' there, 'float32' now"):
        trained(2)
    assert training.restored(tmp_path / "run")[0].compute_dtype == "bfloat16"
    gan = trained(2, "train.precision=mixed_bfloat16")
    assert (int(gan.step.numpy()), gan.compute_dtype) == (2, "bfloat16")


def test_the_recipe_says_it():
    recipe = load_recipe("dcgan_digits", ["train.precision=mixed_bfloat16"])
    assert build(recipe, image_shape=(8, 8, 1)).dtype_policy.name == "mixed_bfloat16"
    assert build(recipe, image_shape=(8, 8, 1), dtype="float32").dtype_policy.name == "float32"
    assert build("dcgan_digits").dtype_policy.name == "float32"
    with pytest.raises(InputError, match=r"train.precision='bfloat16': unknown; did you mean 'mixed_bfloat16'"):
        load_recipe("dcgan_digits", ["train.precision=bfloat16"])


# float16: losses are scaled.


def test_float16_scales_losses_and_no_penalty(build_tiny, examples):
    """If the inner gradient of the penalty were scaled, the penalty would be 2^20 times as large."""
    found = {}
    for dtype in ("float32", "mixed_float16"):
        gan = build_tiny("wgan_gp", image_shape=(3,), dtype=dtype)
        if dtype == "mixed_float16":
            gan.optimizers["discriminator"].dynamic_scale.assign(LOSS_SCALE)
        gradients, terms = gan.gradients(("discriminator",), tf.constant(examples(8, (3,))), stream(gan))
        found[dtype] = flat(gradients)["discriminator"], {name: float(value) for name, value in terms.items()}
        assert {value.dtype for value in terms.values()} == {tf.float32}
    full, half = found.values()
    assert half[1] == pytest.approx(full[1], rel=1e-2)
    assert far(half[0] / LOSS_SCALE, full[0]) < 0.1


def test_float16_leaves_out_a_step_that_overflows(build_tiny, examples):
    gan = build_tiny("dcgan", image_shape=(3,), dtype="mixed_float16")
    for optimizer in gan.optimizers.values():
        optimizer.dynamic_scale.assign(2.0**100)
    before = [weight.numpy() for weight in gan.discriminator.weights + gan.generator.weights]
    gan.fit(examples(4, (3,)), batch_size=4, verbose=0)
    after = [weight.numpy() for weight in gan.discriminator.weights + gan.generator.weights]
    assert all(map(np.array_equal, before, after))
    assert {float(optimizer.dynamic_scale) for optimizer in gan.optimizers.values()} == {2.0**99}
    assert {int(optimizer.iterations) for optimizer in gan.optimizers.values()} == {0}


@pytest.mark.parametrize("scales", [(1024.0, 1024.0), (64.0, 4096.0)])
def test_consensus_takes_each_players_scale_out(scales, build_tiny, examples):
    """The field is one of both players, whatever the scales of their losses have come to be."""
    found = []
    for dtype in ("float32", "mixed_float16"):
        gan = build_tiny("consensus", image_shape=(3,), dtype=dtype)
        scale = dict(zip(gan.players, scales if dtype == "mixed_float16" else (1.0, 1.0), strict=True))
        if dtype == "mixed_float16":
            for player, value in scale.items():
                gan.optimizers[player].dynamic_scale.assign(value)
        gradients, _ = gan.gradients(gan.players, tf.constant(examples(8, (3,))), stream(gan))
        found.append({player: vector / scale[player] for player, vector in flat(gradients).items()})
    full, half = found
    for player in full:
        assert far(half[player], full[player]) < 0.2, player


def test_float16_on_several_replicas_is_refused():
    optimizer = keras.optimizers.Adam()
    with pytest.raises(InputError, match=r"mixed_float16 on 2 replicas.* use mixed_bfloat16"):
        precision.loss_scaled(optimizer, 2)
    scaled = precision.loss_scaled(optimizer, 1)
    assert precision.loss_scaled(scaled, 1) is scaled


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_a_saved_model_goes_on(dtype, build_tiny, examples, state, same, tmp_path):
    """Policy, scales and skipped steps included."""
    gan, data = build_tiny("dragan", image_shape=(3,), dtype=dtype), examples(8, (3,))
    gan.run_eagerly = True
    gan.fit(data, batch_size=4, shuffle=False, verbose=0)
    gan.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.run_eagerly = True
    assert json.dumps(loaded.get_config()) == json.dumps(gan.get_config())
    assert [type(optimizer) for optimizer in loaded.optimizers.values()] == [
        type(optimizer) for optimizer in gan.optimizers.values()
    ]
    for each in (gan, loaded):
        each.fit(data, batch_size=4, shuffle=False, verbose=0)
    assert same(state(gan), state(loaded))


def trained_in_parts(folder, dtype):
    """Returns whether a run cut after 4 of 8 rounds ends as one that was not, bit for bit."""
    from conftest import state
    from test_training import write_recipe

    ends = []
    for name, steps in (("whole", (8,)), ("parts", (4, 8))):
        for each in steps:
            recipe = load_recipe(write_recipe(folder, each, deterministic=True), [f"train.precision={dtype}"])
            gan = training.train(recipe, f"{folder}/{name}", say=lambda _: None)
        ends.append(state(gan))
    return len(ends[0]) == len(ends[1]) and all(map(np.array_equal, *ends)), gan.dtype_policy.name


@pytest.mark.long
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_a_cut_run_goes_on(dtype, in_process, tmp_path):
    assert in_process("test_precision", "trained_in_parts", str(tmp_path), dtype) == [True, dtype]


# XLA.


def jit_after_determinism():
    """Returns what `train` says of a recipe that compiles, after a deterministic one in the same process."""
    import warnings

    warnings.simplefilter("ignore")  # of Keras, which drops the compilation
    tf.config.experimental.enable_op_determinism()
    recipe = load_recipe("dcgan_digits", ["train.jit_compile=true", "train.deterministic=false"])
    try:
        training.require_compiled(recipe, build(recipe))
    except InputError as error:
        return str(error)


@pytest.mark.long
def test_a_run_is_not_quietly_left_uncompiled(in_process):
    assert "train in a process of its own" in in_process("test_precision", "jit_after_determinism")


def test_a_compiled_run_is_let_through():
    recipe = load_recipe("dcgan_digits", ["train.jit_compile=false"])
    training.require_compiled(recipe, build(recipe))
