"""What every registered variant can do: one function a property.

A variant that cannot have a property says so in its class: `exempt = {"property": "reason"}`, where the
property is the name of a function below without `test_`.
"""

import contextlib
import functools
import hashlib
import inspect
import itertools
import json
import math
import re
import sys
import traceback
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo
from ganzoo.config import load_recipe
from ganzoo.errors import InputError
from ganzoo.evaluation.sources import open_source
from ganzoo.gan import GAN
from ganzoo.noise import Stream
from ganzoo.players import Players
from ganzoo.registry import variant
from ganzoo.settings import declared

POINTS = (3,)
IMAGES = (8, 8, 1)
TERM = r"[a-z0-9_]+/[a-z0-9_]+"


def exemptions(name: str) -> dict[str, str]:
    return dict(getattr(variant(name), "exempt", {}))


@pytest.fixture(scope="module", params=ganzoo.list_models())
def name(request):
    """Returns the name of each variant in turn."""
    return request.param


@pytest.fixture(autouse=True)
def _exempt(request):
    """Skips what a variant is exempt from, with its reason."""
    if "name" in request.fixturenames:
        reasons = exemptions(request.getfixturevalue("name"))
        reason = reasons.get(request.node.originalname.removeprefix("test_"))
        if reason:
            pytest.skip(reason)


def shape_of(name: str) -> tuple[int, ...]:
    """Returns the shape of images, or of points for a variant that has no images."""
    return POINTS if "takes_colour_and_odd_sizes" in exemptions(name) else IMAGES


class Played(NamedTuple):
    gan: GAN
    data: np.ndarray
    logs: dict[str, list[float]]
    traces: list[int]
    audit: Any


@pytest.fixture(scope="module")
def played(name, build_tiny, examples, audit):
    """Returns a compiled model after three rounds on points, the last one smaller; for all tests of a variant.

    Dense networks trace in a quarter of the time that convolutions take.
    """
    shape = IMAGES if "takes_points" in exemptions(name) else POINTS
    gan = build_tiny(name, image_shape=shape)
    data = examples(10 * gan.batch_multiple, shape)
    traces, train_step = [], gan.train_step

    def counted(batch):
        traces.append(1)
        return train_step(batch)

    gan.train_step = counted
    with audit() as collected:
        logs = gan.fit(data, batch_size=4, verbose=0).history
    return Played(gan, data, logs, traces, collected)


@pytest.fixture(scope="module")
def convolutional(name, build_tiny):
    """Returns a model for images that runs eagerly, with all that its networks have, batch norm say."""
    gan = build_tiny(name, image_shape=shape_of(name))
    # With this epsilon a gradient far too small for a real run is a step, too.
    gan.compile({"name": "adam", "learning_rate": 1e-3, "epsilon": 1e-20}, run_eagerly=True)
    return gan


def finite(logs: dict) -> bool:
    return bool(logs) and all(np.isfinite(values).all() for values in logs.values())


def numbers(variables) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def differ(before, after) -> list[bool]:
    """Returns of each pair of arrays whether they differ."""
    return [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]


def stream(gan: GAN, update: str) -> Stream:
    return Stream(gan.seed, gan.step.value, update)


# What it is.


def test_builds_from_its_recipe(name):
    gan = ganzoo.build(name)
    assert type(gan) is variant(name)
    assert load_recipe(name).variant == name
    assert set(gan.optimizers) == set(gan.players)


def test_is_documented(name):
    said = inspect.cleandoc(variant(name).__doc__)
    for section in ("Args:", "Raises:", "Terms:", "Equations:", "Source:", "Paper:"):
        assert re.search(rf"^{section}", said, re.MULTILINE), f"no {section}"
    assert inspect.getmodule(variant(name)).__doc__
    module = variant(name).__module__.rpartition(".")[2]  # a family shares one
    assert (Path(__file__).parent / "variants" / f"test_{module}.py").is_file()


def test_refuses_unknown_settings(name):
    for setting in declared(variant(name), Players):
        misspelt = setting.replace("_", "") + "s"
        with pytest.raises(InputError, match=f"{misspelt}: unknown to .*did you mean '{setting}'"):
            ganzoo.build(name, **{misspelt: 1})


def test_exemptions_have_reasons(name):
    for exempt, reason in exemptions(name).items():
        assert f"test_{exempt}" in globals(), f"{exempt} is no property"
        assert len(reason) > 10


def test_config_round_trip(name, convolutional):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(convolutional)))
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(convolutional)
    assert again.get_config() == convolutional.get_config()
    assert [w.shape for w in again.weights] == [w.shape for w in convolutional.weights]


# How it trains.


def test_fits_compiled(played):
    assert finite(played.logs)
    assert int(played.gan.step.numpy()) >= 3


def test_fits_eagerly(convolutional, examples):
    data = examples(5, convolutional.image_shape)
    assert finite(convolutional.fit(data, batch_size=4, verbose=0).history)  # 4 rows, then 1


def test_logs_what_it_documents(played):
    terms = re.search(r"^Terms:(.*?)(\n\n|\Z)", inspect.cleandoc(type(played.gan).__doc__), re.M | re.S)
    always, *on_condition = terms[1].split(";")
    assert set(played.logs) == {*re.findall(TERM, always), "loss"}
    assert {term.split("/")[0] for term in re.findall(TERM, str(on_condition))} <= set(played.gan.players)


def test_is_traced_once(played):
    assert len(played.traces) == 1
    unit = played.gan.batch_multiple
    for rows, batch_size in ((1, 1), (7, 5)):
        played.gan.fit(played.data[: rows * unit], batch_size=batch_size * unit, verbose=0)
    # Where every batch is whole, the first trace is for its size and the second for any.
    assert len(played.traces) == (1 if unit == 1 else 2)


def test_writes_wait_for_reads(played):
    pairs, unordered = played.audit.unordered()
    assert pairs > 50
    assert not unordered


def test_takes_points(played):
    assert played.gan.generate(3).shape == (3, *POINTS)
    assert played.gan.generate(3).dtype == np.float32


def test_takes_colour_and_odd_sizes(name, build_tiny, examples):
    gan = build_tiny(name, image_shape=None)
    gan.run_eagerly = True
    assert finite(gan.fit(examples(4, (9, 12, 3)), batch_size=4, verbose=0).history)
    images = gan(tf.zeros([2, gan.latent_dim]))
    assert images.shape == (2, 9, 12, 3)
    assert abs(images.numpy()).max() <= 1


def test_an_update_changes_its_player_alone(convolutional, examples):
    gan, real = convolutional, tf.constant(examples(8, convolutional.image_shape))
    for player in gan.players:
        owned = {one: numbers(getattr(gan, one).trainable_variables) for one in gan.players}
        others = numbers([*gan.averaged_generator.weights, gan.step])
        gan.update((player,), real, stream(gan, player))
        for one, before in owned.items():
            changed = any(differ(before, numbers(getattr(gan, one).trainable_variables)))
            assert changed == (one == player), f"{one} when {player} steps"
        after = numbers([*gan.averaged_generator.weights, gan.step])
        assert not any(differ(others, after))


def test_trains_every_variable(convolutional, examples):
    gan = convolutional
    variables = [v for player in gan.players for v in getattr(gan, player).trainable_variables]
    # Of losses on differences of scores, and of the hinge within its margins, the last bias has no gradient.
    variables = [v for v in variables if not v.path.endswith("scores/bias")]
    before = numbers(variables)
    for _ in range(3):  # a dead ReLU may wake
        gan.fit(examples(8, gan.image_shape), batch_size=8, verbose=0)
        if all(differ(before, numbers(variables))):
            return
    changed = differ(before, numbers(variables))
    assert not [v.path for v, moved in zip(variables, changed, strict=True) if not moved]


@pytest.mark.long
def test_seed_decides(name, played, build_tiny, state, same):
    first, second, other = (build_tiny(name, image_shape=shape_of(name), seed=seed) for seed in (1, 1, 2))
    assert same(state(first), state(second))
    for player in first.players:
        ours, theirs = (getattr(gan, player).trainable_variables for gan in (first, other))
        kernels = [len(variable.shape) > 1 for variable in ours]
        assert differ(numbers(ours), numbers(theirs)) == kernels
    trained = []
    for _ in range(2):
        gan = build_tiny(name, image_shape=played.gan.image_shape)
        gan.run_eagerly = True
        gan.fit(played.data[:4], batch_size=4, verbose=0)
        trained.append(state(gan))
    assert same(*trained)


def test_discriminator_steps(name, played, build_tiny, monkeypatch):
    """Every opponents' update of a round sees rows of its own, in the data's order."""
    gan = build_tiny(name, image_shape=played.gan.image_shape, discriminator_steps=2)
    gan.run_eagerly = True
    seen, gradients = [], gan.gradients

    def watched(players, real, noise):
        if players != ("generator",):
            seen.append(real.numpy())
        return gradients(players, real, noise)

    monkeypatch.setattr(gan, "gradients", watched)
    rows = played.data[:8]
    gan.fit(rows, batch_size=2, shuffle=False, verbose=0)
    assert int(gan.step.numpy()) == 2
    np.testing.assert_array_equal(np.concatenate(seen), rows)
    for player in gan.opponents:
        assert int(gan.optimizers[player].iterations.numpy()) == 4
    assert int(gan.optimizers["generator"].iterations.numpy()) == 2


@pytest.mark.long
def test_simultaneous(name, played, build_tiny):
    weights = []
    for simultaneous in (False, True):
        gan = build_tiny(name, image_shape=played.gan.image_shape, simultaneous=simultaneous)
        gan.run_eagerly = True
        assert finite(gan.fit(played.data[:8], batch_size=4, verbose=0).history)
        weights.append(numbers(gan.generator.trainable_variables))
    assert any(differ(*weights))


# In half precision.


class Trained(NamedTuple):
    gan: GAN
    logs: dict[str, float]
    dtypes: set[str]


@pytest.fixture(scope="module")
def in_precision(name, build_tiny, examples):
    """Returns a function: a policy -> a model trained in it, eagerly on images, with its logs and its terms' types.

    For one round; in float16 until every player has taken a step.
    """

    @functools.cache
    def trained(policy: str) -> Trained:
        gan = build_tiny(name, image_shape=shape_of(name), dtype=policy)
        gan.run_eagerly = True
        dtypes, gradients = set(), gan.gradients

        def watched(*arguments):
            found, terms = gradients(*arguments)
            dtypes.update(value.dtype.name for value in tf.nest.flatten([found, terms]) if value is not None)
            return found, terms

        gan.gradients = watched
        data = examples(4 * gan.batch_multiple, gan.image_shape)
        for _ in range(16):
            logs = gan.fit(data, batch_size=len(data), shuffle=False, verbose=0).history
            if all(optimizer.iterations.numpy() for optimizer in gan.optimizers.values()):
                break
        return Trained(gan, {key: values[-1] for key, values in logs.items()}, dtypes)

    return trained


@pytest.mark.long
def test_trains_in_bfloat16(in_precision):
    """One round is that of float32 to bfloat16's eight bits."""
    full, half = in_precision("float32"), in_precision("mixed_bfloat16")
    for key, value in full.logs.items():
        assert half.logs[key] == pytest.approx(value, rel=0.05, abs=0.02), key
    assert half.dtypes == {"float32"}
    assert {variable.dtype for variable in half.gan.weights} <= {"float32", "int64"}
    levels = [np.float32(trained.gan.generate(16)) for trained in (full, half)]
    assert abs(levels[0] - levels[1]).mean() < 2  # of 255; of points less


@pytest.mark.long
def test_computes_in_bfloat16(in_precision):
    """Else the test above would say nothing."""
    full, half = in_precision("float32"), in_precision("mixed_bfloat16")
    assert full.logs != half.logs


@pytest.mark.long
def test_exports_in_float32(in_precision):
    signature = in_precision("mixed_bfloat16").gan.signatures().functions["serving_default"].get_concrete_function()
    assert [output.dtype for output in signature.structured_outputs.values()] == [tf.float32]
    assert not {"DT_BFLOAT16", "DT_HALF"} & set(re.findall(r"DT_\w+", str(signature.graph.as_graph_def())))


@pytest.mark.long
def test_trains_in_float16(in_precision):
    """Steps whose gradients overflow are left out, until the scale of the loss suits; then it trains."""
    gan, logs, dtypes = in_precision("mixed_float16")
    assert dtypes == {"float32"}
    assert all(map(math.isfinite, logs.values()))
    assert all(np.isfinite(values).all() for values in numbers(gan.weights))
    for player in gan.players:
        assert int(gan.optimizers[player].iterations.numpy()) >= 1


# What stays.


def check_evaluation(gan, data, state, same):
    before = state(gan)
    first, second = (gan.evaluate(data, batch_size=4, return_dict=True, verbose=0) for _ in range(2))
    assert same(before, state(gan))
    assert first == second
    terms = {f"{player}/{term}" for player in gan.players for term in gan.term_names(player)}
    assert set(first) == {*terms, "loss"}
    assert all(map(math.isfinite, first.values()))


@pytest.mark.long
def test_evaluation_changes_nothing(convolutional, examples, state, same):
    check_evaluation(convolutional, examples(6, convolutional.image_shape), state, same)


@pytest.mark.long
def test_compiled_evaluation_changes_nothing(played, examples, state, same):
    check_evaluation(played.gan, examples(6, played.gan.image_shape), state, same)


def test_can_be_scored(played):
    source = open_source(played.gan)
    (batch,) = source.draw(3, 0)
    assert batch.shape == (3, *played.gan.image_shape)
    assert source.origin.averaged


@pytest.mark.long
def test_saved_model_goes_on(convolutional, examples, state, same, tmp_path):
    gan, data = convolutional, examples(4, convolutional.image_shape)
    if not gan.step.numpy():
        gan.fit(data, batch_size=4, verbose=0)
    gan.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(gan)
    assert loaded.run_eagerly
    assert same(state(gan), state(loaded))
    for each in (gan, loaded):
        each.fit(data, batch_size=4, shuffle=False, verbose=0)
    assert same(state(gan), state(loaded))


# The second tier: what takes long, or a process of its own.


@pytest.fixture(scope="session")
def in_child(in_process, part_of):
    """Returns a function: what a function here, given by name, says of a variant, in a process of its variants' own."""

    @functools.cache
    def results(function: str, part: int) -> dict[str, Any]:
        return in_process("test_conformance", function, [n for n in ganzoo.list_models() if part_of(n) == part])

    return lambda function, name: results(function, part_of(name))


def attempts(names: list[str], attempt) -> dict[str, Any]:
    """Returns name -> what `attempt(name)` returns, or its traceback as a string."""
    results = {}
    for one in names:
        try:
            results[one] = attempt(one)
        except Exception:
            results[one] = traceback.format_exc()[-3000:]
        keras.backend.clear_session()
    return results


@pytest.mark.long
def test_fits_compiled_with_convolutions(name, build_tiny, examples):
    gan = build_tiny(name, image_shape=shape_of(name))
    data = examples(10, gan.image_shape)
    history = gan.fit(data, batch_size=4, validation_data=data[:5], epochs=2, verbose=0).history
    assert finite(history)
    assert {f"val_{key}" for key in history if not key.startswith("val_")} <= set(history)


def rounds_under_xla(names):
    """Returns name -> the last means of three rounds; called in a process without op determinism."""
    from conftest import build_tiny, examples

    def attempt(one):
        gan = build_tiny(one, image_shape=shape_of(one))
        gan.compile({p: gan.optimizers[p] for p in gan.players}, jit_compile=True)
        logs = gan.fit(examples(12, gan.image_shape), batch_size=4, verbose=0).history
        assert gan.jit_compile is True
        return {key: values[-1] for key, values in logs.items()}

    return attempts(names, attempt)


@pytest.mark.long
def test_fits_under_xla(name, in_child):
    logs = in_child("rounds_under_xla", name)[name]
    assert isinstance(logs, dict), logs
    assert all(map(math.isfinite, logs.values()))


def doubts_of_rounds(names):
    """Returns name -> what speaks against its round on a TPU; called in a process without op determinism."""
    from conftest import build_tiny
    from tpu_operators import doubts

    def attempt(one):
        gan = build_tiny(one, image_shape=shape_of(one), dtype="mixed_bfloat16")
        gan.compile({p: gan.optimizers[p] for p in gan.players}, jit_compile=True)
        assert gan.jit_compile is True
        return doubts(gan.train_step, tf.TensorSpec([8, *gan.image_shape], tf.float32))

    return attempts(names, attempt)


@pytest.mark.long
def test_suits_a_tpu(name, in_child):
    """Documented operators and types, static shapes, no call of the host: what a TPU asks for beyond XLA."""
    assert in_child("doubts_of_rounds", name)[name] == []


# Settings beside a recipe's own that couple the rows of a batch, or draw random numbers: variant -> some of each.
COUPLED = {
    "dcgan": ({"augment": ["color", "cutout", "translation", "zoom"], "instance_noise": 0.1},),
    "dragan": ({"penalty": "chainer_noise"}, {"penalty": "compare_gan_noise"}),
    "dual_d_selu": ({"penalty": "interpolates"},),
}
# Variants whose replicas ask each other for something: a learning rate, and settings beside a recipe's own, with which
# one round shows what they ask for. Of BEGAN that is k alone; two of minibatch discrimination have kinks.
ASKING = {
    "began": (2.0, {"fake_weight_rate": 0.5, "diversity_ratio": 2.0}),
    "consensus": (2.0, {}),
    "dragan": (2.0, {}),
    "dual_d_selu": (0.02, {}),
    "ebgan_pt": (0.2, {"pull_away_weight": 10.0}),
    "feature_matching": (2.0, {}),
    "imle": (2.0, {}),
    "locally_stable": (2.0, {}),
    "minibatch_discrimination": (0.02, {}),
    "relativistic": (2.0, {}),
    "unrolled": (2.0, {}),
}


@contextlib.contextmanager
def asking_nothing():
    """Makes every replica take its own rows, means and sums for those of all."""
    names = ("averaged", "gathered", "summed")
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "ganzoo"]
    with pytest.MonkeyPatch.context() as patch:
        for module, name in itertools.product(modules, names):
            if hasattr(module, name):
                patch.setattr(module, name, lambda values: values)
        yield


def differences_between_replicas(names):
    """Returns name -> largest (relative) difference of weights after a round: two replicas of 32 rows, one of 64.

    Under `synchronized` with batch norm that is, under `unlike` with replicas whose data differ. Also what comes of no
    division by the number of replicas; of one variant, of batch norm that is not synchronized; `local`, of replicas
    that ask each other for nothing; and how the replicas' noise relates.
    """
    from conftest import WIDTH, build_tiny, examples, synchronized, tiny_networks

    import ganzoo.gan

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])  # one in a process

    # One round, compiled; what beside that is of interest in eager mode, as tracing takes most of the time.
    def trained(one, rows, scope, run_eagerly, rate, settings):
        with scope:
            gan = build_tiny(one, image_shape=rows.shape[1:], **{"normalized": False, **settings})
            gan.compile({"name": "sgd", "learning_rate": rate}, run_eagerly=run_eagerly)
            gan.fit(rows, batch_size=64, shuffle=False, verbose=0)
        return numbers(gan.weights)

    def between(one, shape, run_eagerly=True, rate=0.02, unlike=False, **settings):
        rows = examples(64, shape)
        if unlike:
            rows[32:] = 0.3 * rows[32:] + 0.5
        alone = trained(one, rows, tf.device("CPU:0"), run_eagerly, rate, settings)
        together = trained(one, rows, strategy.scope(), run_eagerly, rate, settings)
        return max(float(abs(a - b).max() / max(1, abs(a).max())) for a, b in zip(alone, together, strict=True))

    def attempt(one):
        shapes = {shape_of(one), *([] if "takes_points" in exemptions(one) else [POINTS])}
        found = {str(shape): between(one, shape, run_eagerly=False) for shape in shapes}
        found |= {str(settings): between(one, shape_of(one), **settings) for settings in COUPLED.get(one, ())}
        # Without kinks, as a pixel that rounding moves over one changes a gradient by more. Those of minibatch
        # discrimination's distances are still there: of seed 0 one is met.
        smooth = synchronized(tiny_networks(one, WIDTH, True), one)
        networks = {player: {**options, "activation": "tanh"} for player, options in smooth.items()}
        if networks and shape_of(one) == IMAGES:
            found["synchronized"] = between(one, IMAGES, normalized=True, networks=networks, seed=1)
        if one == "dcgan":
            found["normalized"] = between(one, IMAGES, normalized=True)
        if one in ASKING:
            rate, settings = ASKING[one]
            found["unlike"] = between(one, POINTS, rate=rate, unlike=True, **settings)
            with asking_nothing():
                found["local"] = between(one, POINTS, rate=rate, unlike=True, **settings)
        count, ganzoo.gan.replica_count = ganzoo.gan.replica_count, lambda: 1
        try:
            found["undivided"] = between(one, min(shapes, key=len))
        finally:
            ganzoo.gan.replica_count = count
        return found

    def draw():
        return Stream(3, tf.constant(5, tf.int64), "update").normal("purpose", (8, 4))

    halves = strategy.experimental_local_results(strategy.run(draw))
    whole = Stream(3, tf.constant(5, tf.int64), "update").normal("purpose", (16, 4))
    noise = {
        "equal": bool(np.array_equal(*halves)),
        "as_one": bool(np.array_equal(np.concatenate(halves), whole)),
    }
    return attempts(names, attempt) | {"noise": noise}


@pytest.mark.long
def test_two_replicas_equal_one(name, in_child):
    results = in_child("differences_between_replicas", name)
    found = results[name]
    assert isinstance(found, dict), found
    apart = {of: found.pop(of) for of in ("undivided", "normalized", "local") if of in found}
    assert max(found.values()) < 1e-5, found
    assert min(apart.values()) > 1e-4, apart  # else the two could not have told the difference
    assert results["noise"] == {"equal": False, "as_one": True}


@pytest.fixture(scope="session")
def exported(tmp_path_factory, build_tiny, scattered, in_process, part_of):
    """Returns of a part: name -> SavedModel, digest of the model's samples, of its SavedModel's in another process."""

    @functools.cache
    def exports(part: int) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        folders, own = {}, {}
        for one in ganzoo.list_models():
            if part_of(one) == part:
                gan = scattered(build_tiny(one, image_shape=shape_of(one)))
                folders[one] = str(ganzoo.export(gan, tmp_path_factory.mktemp("models") / one))
                own[one] = hashlib.sha256(gan.generate(64).tobytes()).hexdigest()
        return folders, own, in_process("conftest", "served", folders)

    return lambda name: exports(part_of(name))


@pytest.mark.long
def test_serves_its_own_samples(name, exported):
    _, own, served = exported(name)
    assert served[name] == own[name]


@pytest.mark.long
def test_holds_the_contract_of_serving(name, exported):
    folders, *_ = exported(name)
    report = ganzoo.serving.check(folders[name])
    assert report.ok, report
