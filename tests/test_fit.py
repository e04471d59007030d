"""What `fit` takes, what it says, and what Keras' callbacks can do with it."""

import csv
import glob
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo
from ganzoo.errors import InputError

LABELS = np.arange(12)
TERMS = {"discriminator/adversarial", "generator/adversarial", "loss"}
DENSE = {player: {"architecture": "mlp", "width": 4} for player in ("generator", "discriminator")}


@pytest.fixture(scope="module")
def dense(build_tiny):
    """Returns a function that builds a compiled model of two dense networks, for 8x8 grey images."""

    def build(networks=DENSE, **settings):
        return build_tiny("dcgan", networks=networks, **settings)

    return build


@pytest.fixture(scope="module")
def shared(dense):
    """Returns one model for tests that only train it."""
    return dense()


def grey(count=12, dtype="float32", seed=0):
    images = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1)).astype("uint8")
    return images if dtype == "uint8" else ganzoo.data.unit_range(tf.constant(images)).numpy().astype(dtype)


def dataset(value, batch=4):
    return tf.data.Dataset.from_tensor_slices(value).batch(batch)


FORMS = {
    "images": lambda: dataset(grey()),
    "image_and_label": lambda: dataset((grey(), LABELS)),
    "tfds_dict": lambda: dataset({"image": grey(dtype="uint8"), "label": LABELS}),
    "uint8": lambda: dataset(grey(dtype="uint8")),
    "without_channel": lambda: dataset(grey()[..., 0]),
    "numpy": grey,
    "numpy_uint8": lambda: grey(dtype="uint8"),
    "numpy_float64": lambda: grey(dtype="float64"),
    "tensor": lambda: tf.constant(grey()),
}


@pytest.mark.parametrize("form", FORMS)
def test_takes(form, shared):
    x = FORMS[form]()
    batch = {} if isinstance(x, tf.data.Dataset) else {"batch_size": 4}
    before = int(shared.step.numpy())
    history = shared.fit(x, epochs=2, verbose=0, **batch).history
    assert set(history) == TERMS
    assert all(np.isfinite(values).all() for values in history.values())
    assert int(shared.step.numpy()) == before + 6


def test_all_forms_train_alike(dense, state, same):
    """The same images in any form give the same weights."""
    trained = []
    for form in ("images", "tfds_dict", "numpy_uint8"):
        gan, x = dense(), FORMS[form]()
        gan.run_eagerly = True
        batch = {} if isinstance(x, tf.data.Dataset) else {"batch_size": 4}
        gan.fit(x, shuffle=False, verbose=0, **batch)
        trained.append(state(gan))
    assert same(trained[0], trained[1])
    assert same(trained[0], trained[2])


def test_takes_labels_beside_an_array(shared):
    shared.fit(grey(), LABELS, batch_size=4, verbose=0)
    assert set(shared.evaluate(grey(), LABELS, batch_size=4, return_dict=True, verbose=0)) == TERMS


def test_takes_what_load_returns(dense):
    gan = dense(image_shape=None)
    digits = ganzoo.data.load("digits")
    gan.fit(digits, batch_size=4, epochs=2, steps_per_epoch=3, verbose=0)
    assert gan.image_shape == (8, 8, 1)
    assert int(gan.step.numpy()) == 6
    ring = dense(image_shape=None)
    ring.fit(ganzoo.data.load("ring8"), steps_per_epoch=2, verbose=0)
    assert ring.generate(3).shape == (3, 2)


def test_takes_colour_and_refuses_another_shape_then(dense):
    gan = dense(image_shape=None)
    gan.run_eagerly = True
    gan.fit(np.zeros((4, 6, 10, 3), "float32"), batch_size=4, verbose=0)
    assert gan.image_shape == gan.get_config()["image_shape"] == (6, 10, 3)
    assert gan.generate(2).shape == (2, 6, 10, 3)
    with pytest.raises(InputError, match=r"images are \(8, 8, 1\), the model is built for \(6, 10, 3\); resize"):
        gan.fit(grey(), batch_size=4, verbose=0)


def test_steps_per_epoch(shared):
    before = int(shared.step.numpy())
    shared.fit(dataset(grey()).repeat(), epochs=3, steps_per_epoch=2, verbose=0)
    assert int(shared.step.numpy()) == before + 6


def test_data_without_end_need_steps(shared):
    for endless in (dataset(grey()).repeat(), ganzoo.data.load("digits")):
        with pytest.raises(InputError, match="never end: say how many rounds an epoch has with steps_per_epoch="):
            shared.fit(endless, verbose=0)


@pytest.mark.parametrize("form", ["numpy", "images"])
def test_validation_data(form, shared):
    x = FORMS[form]()
    batch = {} if isinstance(x, tf.data.Dataset) else {"batch_size": 4}
    history = shared.fit(x, validation_data=x, verbose=0, **batch).history
    assert set(history) == TERMS | {f"val_{term}" for term in TERMS}


def test_validation_data_with_labels(shared):
    history = shared.fit(grey(), batch_size=4, validation_data=(grey(), LABELS), verbose=0).history
    assert "val_generator/adversarial" in history


def test_validation_data_of_another_form(shared):
    """An array is cut into batches of batch_size; data that comes in batches stays as it is."""
    history = shared.fit(grey(), batch_size=4, validation_data=dataset(grey()), verbose=0).history
    assert "val_loss" in history
    history = shared.fit(dataset(grey()), validation_data=grey(), verbose=0).history
    assert "val_loss" in history


def test_validation_data_that_load_returned_come_to_an_end(shared):
    """`prepared` must not make an endless stream of them; asked there, since `fit` would not return."""
    test = ganzoo.data.load("digits", "test[:10]")
    seen = []
    evaluate, keras_evaluate = shared.evaluate, keras.Model.evaluate

    def watched(self, x=None, **kwargs):
        seen.append(x.cardinality().numpy())

    try:
        keras.Model.evaluate = watched
        evaluate(test, batch_size=4, verbose=0)
    finally:
        keras.Model.evaluate = keras_evaluate
    assert seen == [3]


def test_validating_does_not_change_training(dense, state, same):
    trained = []
    for validation in (None, grey(seed=1)):
        gan = dense()
        gan.run_eagerly = True
        gan.fit(grey(), batch_size=4, epochs=2, validation_data=validation, shuffle=False, verbose=0)
        trained.append(state(gan))
    assert same(*trained)


def test_optimizer_is_refused(dense):
    gan = ganzoo.build("dcgan")
    with pytest.raises(InputError, match="a GAN has one a player; give optimizers="):
        gan.compile(optimizer="adam")
    with pytest.raises(InputError, match=r"optimizers\.generator is missing"):
        gan.compile({"discriminator": "adam"})


def test_each_player_has_its_optimizer(dense):
    gan = dense()
    gan.compile({"discriminator": keras.optimizers.SGD(0.5), "generator": {"name": "rmsprop"}})
    assert type(gan.optimizers["discriminator"]) is keras.optimizers.SGD
    assert type(gan.optimizers["generator"]) is keras.optimizers.RMSprop
    assert float(gan.optimizers["discriminator"].learning_rate) == 0.5
    gan.fit(grey(), batch_size=4, verbose=0)
    assert [int(o.iterations.numpy()) for o in gan.optimizers.values()] == [3, 3]


# Keras' callbacks.


class FailAtEpoch(keras.callbacks.Callback):
    """Ends training, as a machine that fails would, when an epoch begins."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise RuntimeError("the machine fails")


def test_model_checkpoint_of_weights(dense, state, same, tmp_path):
    gan = dense()
    path = str(tmp_path / "{epoch}.weights.h5")
    gan.fit(
        grey(), batch_size=4, epochs=2, verbose=0,
        callbacks=[keras.callbacks.ModelCheckpoint(path, save_weights_only=True)],
    )  # fmt: skip
    other = dense(seed=9)
    other.load_weights(tmp_path / "2.weights.h5")
    assert same(state(gan), state(other))
    other.load_weights(tmp_path / "1.weights.h5")
    assert not same(state(gan), state(other))


def test_model_checkpoint_of_the_whole_model(dense, state, same, tmp_path):
    gan = dense()
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "model.keras", monitor="generator/adversarial", mode="min", save_best_only=True
    )
    gan.fit(grey(), batch_size=4, verbose=0, callbacks=[checkpoint])
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert same(state(gan), state(loaded))
    np.testing.assert_array_equal(loaded.generate(5), gan.generate(5))


def test_early_stopping(shared):
    stopping = keras.callbacks.EarlyStopping(
        "discriminator/adversarial", mode="min", patience=0, min_delta=1e6, restore_best_weights=True
    )
    before = int(shared.step.numpy())
    shared.fit(grey(), batch_size=4, epochs=9, verbose=0, callbacks=[stopping])
    assert stopping.stopped_epoch == 1
    assert int(shared.step.numpy()) == before + 3  # the best epoch's weights, the round is one of them


def test_tensorboard(shared, tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is an extra: pip install ganzoo[tensorboard]")
    board = keras.callbacks.TensorBoard(tmp_path, histogram_freq=1)
    shared.fit(grey(), batch_size=4, validation_data=grey(), epochs=2, verbose=0, callbacks=[board])
    tags = set()
    for file in glob.glob(f"{tmp_path}/*/*.v2"):
        for event in tf.compat.v1.train.summary_iterator(file):
            tags |= {value.tag for value in event.summary.value}
    assert {"epoch_discriminator/adversarial", "epoch_generator/adversarial", "epoch_loss"} <= tags


def test_csv_logger(shared, tmp_path):
    logger = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    shared.fit(grey(), batch_size=4, epochs=2, verbose=0, callbacks=[logger])
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert {key for key in rows[0] if not key.startswith("val_")} == {"epoch", *TERMS}
    assert np.isfinite([float(row[term]) for row in rows for term in TERMS]).all()


def test_a_batch_that_replicas_cannot_share_is_refused(dense):
    gan = dense()
    gan._distribute_strategy = types.SimpleNamespace(num_replicas_in_sync=2)
    with pytest.raises(InputError, match="batches of 5 rows cannot be cut into 2 equal shares"):
        gan.fit(ganzoo.data.load("digits"), batch_size=5, steps_per_epoch=1)


def test_backup_and_restore_refuses_data_that_follow_the_round(dense, tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(InputError, match=r"use ganzoo.train, which resumes exactly"):
        dense().fit(ganzoo.data.load("digits"), batch_size=4, steps_per_epoch=3, callbacks=[backup])


@pytest.mark.parametrize("form", ["tf_data", "numpy"])
def test_backup_and_restore_goes_on_as_if_nothing_had_happened(form, dense, state, same, tmp_path):
    def fit(gan, *callbacks):
        x, more = {
            "tf_data": (dataset(grey()), {}),
            "numpy": (grey(), {"batch_size": 4, "shuffle": False}),
        }[form]
        gan.run_eagerly = True
        gan.fit(x, epochs=3, verbose=0, callbacks=list(callbacks), **more)

    straight, cut, resumed = dense(), dense(), dense()
    fit(straight)
    with pytest.raises(RuntimeError, match="the machine fails"):
        fit(cut, keras.callbacks.BackupAndRestore(tmp_path), FailAtEpoch(2))
    fit(resumed, keras.callbacks.BackupAndRestore(tmp_path))
    assert int(resumed.step.numpy()) == 9
    assert same(state(straight), state(resumed))


def test_terminate_on_nan(dense):
    gan = dense()
    gan.compile({"name": "sgd", "learning_rate": 1e30})
    gan.fit(grey(), batch_size=4, epochs=20, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert gan.stop_training
    assert int(gan.step.numpy()) < 20


@pytest.mark.parametrize(
    ("callback", "cure"),
    [
        (keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3), "a Keras schedule as its learning_rate"),
        (keras.callbacks.ReduceLROnPlateau(), "a Keras schedule as its learning_rate"),
        (keras.callbacks.SwapEMAWeights(), "set ema_momentum"),
    ],
)
def test_callbacks_of_one_optimizer_are_refused(callback, cure, shared):
    callbacks = keras.callbacks.CallbackList([callback], add_history=False)
    for given in (callback, [keras.callbacks.TerminateOnNaN(), callback], callbacks):
        with pytest.raises(InputError, match=f"{type(callback).__name__} drives one optimizer.*{cure}"):
            shared.fit(grey(), batch_size=4, verbose=0, callbacks=given)


# What comes out.


def test_generate_gives_image_i_whatever_n(shared):
    shared.fit(grey(), batch_size=4, verbose=0)
    images = shared.generate(70, seed=3)
    assert images.shape == (70, 8, 8, 1)
    assert images.dtype == np.uint8
    for count in (1, 64, 65):
        np.testing.assert_array_equal(shared.generate(count, seed=3), images[:count])
    assert (shared.generate(70, seed=4) != images).any()


def test_generate_leaves_the_model_as_it_is(dense, state, same):
    """And the model's batches of training leave it be."""
    gan = dense()
    images, before = gan.generate(8), state(gan)
    assert same(before, state(gan))
    other = dense()
    other.evaluate(grey(), batch_size=3, verbose=0)
    other.gradients(other.players, tf.constant(grey(2)), ganzoo.noise.Stream(0, other.step.value, "any"))
    np.testing.assert_array_equal(other.generate(8), images)


def test_generate_truncates(shared):
    near = [np.ptp(shared.generate(64, truncation=truncation).astype(int), axis=0).mean() for truncation in (0.01, 1.0)]
    assert near[0] < near[1]


@pytest.mark.parametrize(("arguments", "said"), [((0,), "n=0"), ((4, 0), "truncation=0")])
def test_generate_refuses(arguments, said, shared):
    n, *truncation = arguments
    with pytest.raises(InputError, match=said):
        shared.generate(n, **({"truncation": truncation[0]} if truncation else {}))


def test_generate_before_there_are_networks():
    with pytest.raises(InputError, match="no networks yet: fit it, or build it with image_shape="):
        ganzoo.build("dcgan").generate(1)


def test_keras_models_as_networks(dense, state, same, tmp_path):
    layers = keras.layers
    networks = {
        "discriminator": keras.Sequential([layers.Flatten(), layers.Dense(1)], name="mine"),
        "generator": keras.Sequential([layers.Dense(64, "tanh"), layers.Reshape((8, 8, 1))], name="yours"),
    }
    gan = ganzoo.build("dcgan", image_shape=(8, 8, 1), latent_dim=3, networks=networks)
    assert gan.discriminator is networks["discriminator"]
    before = networks["discriminator"].get_weights()
    gan.fit(grey(), batch_size=4, verbose=0)
    assert not same(before, networks["discriminator"].get_weights())
    gan.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert same(state(gan), state(loaded))
    np.testing.assert_array_equal(loaded.generate(3), gan.generate(3))


def test_momentum_zero_averages_nothing(dense, same):
    gan = dense(ema_momentum=0.0)
    gan.fit(grey(), batch_size=4, verbose=0)
    assert same(gan.generator.get_weights(), gan.averaged_generator.get_weights())


def test_averaged_generator_follows_its_formula(dense):
    gan = dense(ema_momentum=0.15)
    gan.run_eagerly = True
    average = gan.generator.get_weights()
    for step in range(3):
        gan.fit(grey(4), batch_size=4, verbose=0)
        momentum = min(0.15, (1 + step) / (10 + step))
        average = [momentum * a + (1 - momentum) * w for a, w in zip(average, gan.generator.get_weights(), strict=True)]
    for ours, theirs in zip(gan.averaged_generator.get_weights(), average, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
