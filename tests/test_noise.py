import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from ganzoo import noise
from ganzoo.errors import InputError
from ganzoo.noise import Stream, latents, normals, philox, uniforms

# Seeds and indices on both sides of 0, of 2**32, and at the ends of int64.
EDGES = (0, 1, -1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, -(2**32), 2**63 - 1, -(2**63))
# Random123's known answers for philox4x32-10: counter, key, result.
KNOWN_ANSWERS = (
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
)


def int64(*values: int) -> tf.Tensor:
    return tf.constant(values, tf.int64)


def words(text: str) -> tuple[tf.Tensor, ...]:
    return tuple(tf.constant(int(word, 16), tf.int64) for word in text.split())


def tensorflow_words(seed: int, index: int, tag: int, count: int) -> np.ndarray:
    """TensorFlow's Philox at the counter (block, tag, low index, high index) and the key `seed`."""
    key, counter = [seed % 2**64], [tag << 32, index % 2**64]
    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[count],
        key=tf.constant(key, tf.uint64),
        counter=tf.constant(counter, tf.uint64),
        alg=1,
        dtype=tf.uint32,
    ).numpy()


def many(latent_dim: int = 64, rows: int = 4096, **kwargs) -> np.ndarray:
    """A sample large enough for moments, as one row of numbers."""
    index = tf.range(rows, dtype=tf.int64)
    return latents(tf.zeros_like(index) + 3, index, latent_dim, **kwargs).numpy().astype(np.float64).ravel()


def within(mean: float, expected: float, variance: float, count: int) -> None:
    """Asserts that a mean of `count` numbers of `variance` is within 4 standard errors of what is expected."""
    assert abs(mean - expected) < 4 * math.sqrt(variance / count)


def all_rows_differ(rows: np.ndarray) -> bool:
    return len(np.unique(rows, axis=0)) == len(rows)


def stream(seed: int = 1, step: int = 0, update: str = "generator") -> Stream:
    return Stream(seed, tf.constant(step, tf.int64), update)


# Philox.


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(counter, key, result):
    answer = philox(words(counter), words(key))
    assert " ".join(f"{int(word):08x}" for word in answer) == result


@pytest.mark.parametrize("seed", [0, -1, 2**32 + 7])
@pytest.mark.parametrize("index", [0, 2**32 - 1, -(2**40) - 3])
def test_philox_gives_tensorflows_bits(seed, index):
    seed_words, index_words = (words(f"{v % 2**32:x} {(v % 2**64) >> 32:x}") for v in (seed, index))
    blocks = [philox((*words(f"{b:x} 2a"), *index_words), seed_words) for b in range(5)]
    np.testing.assert_array_equal(np.ravel(blocks), tensorflow_words(seed, index, 42, 20))


@pytest.mark.parametrize("seed", EDGES)
def test_a_row_of_uniforms_is_tensorflows_bits_of_its_seed_and_index(seed):
    rows = uniforms(int64(*[seed] * len(EDGES)), int64(*EDGES), 20, tag=2**32 - 1).numpy()
    for row, index in zip(rows, EDGES, strict=True):
        bits = tensorflow_words(seed, index, 2**32 - 1, 20) >> 9
        np.testing.assert_array_equal(row[:20], (bits + 0.5) / 2**23)


def test_xla_gives_the_same_uniforms():
    @tf.function(jit_compile=True)
    def compiled(seed, index):
        return uniforms(seed, index, 37, tag=5)

    arguments = int64(*EDGES), int64(*reversed(EDGES))
    np.testing.assert_array_equal(compiled(*arguments), uniforms(*arguments, 37, tag=5))


# Uniforms.


@pytest.mark.parametrize("word", [0, 2**32 - 1])
def test_no_uniform_is_0_or_1(monkeypatch, word):
    same = tf.fill([1, 4], tf.constant(word, tf.int64))
    monkeypatch.setattr(noise, "philox", lambda counter, key: (same,) * 4)
    values = uniforms(int64(0), int64(0), 16).numpy()
    assert values.dtype == np.float32
    assert values.min() > 0
    assert values.max() < 1
    assert np.isfinite(normals(values)).all()


def test_uniforms_are_uniform():
    values = uniforms(int64(*[3] * 1024), tf.range(1024, dtype=tf.int64), 64).numpy().astype(np.float64).ravel()
    assert stats.kstest(values, "uniform").pvalue > 1e-3
    within(values.mean(), 1 / 2, 1 / 12, values.size)


def test_neighbours_in_a_row_and_in_a_column_are_uncorrelated():
    values = many().reshape(4096, 64)
    for pairs in (values[1:] * values[:-1], values[:, 1:] * values[:, :-1]):
        within(pairs.mean(), 0, 1, pairs.size)


def test_tags_are_independent_streams():
    rows = [uniforms(int64(7), int64(7), 16, tag).numpy()[0] for tag in (0, 1, 2**32 - 1)]
    assert all_rows_differ(np.array(rows))


# Rows.


@pytest.mark.parametrize("prior", noise.PRIORS)
@pytest.mark.parametrize("latent_dim", [2, 100, 128])
def test_a_row_is_the_same_bits_at_any_batch_size(latent_dim, prior):
    index = tf.range(64, dtype=tf.int64)
    seed = tf.zeros_like(index) + 9
    together = latents(seed, index, latent_dim, prior=prior, truncation=1.5).numpy()
    for i in (0, 1, 31, 63):
        alone = latents(seed[i : i + 1], index[i : i + 1], latent_dim, prior=prior, truncation=1.5)
        np.testing.assert_array_equal(alone[0], together[i])
    assert together.shape == (64, latent_dim)


def test_rows_follow_their_seed_and_index_in_any_order():
    pairs = np.array([(seed, index) for seed in EDGES for index in EDGES])
    order = np.random.default_rng(0).permutation(len(pairs))
    rows = latents(*tf.constant(pairs.T), 8).numpy()
    np.testing.assert_array_equal(latents(*tf.constant(pairs[order].T), 8), rows[order])


def test_every_pair_of_seed_and_index_has_a_row_of_its_own():
    pairs = np.array([(seed, index) for seed in EDGES for index in EDGES])
    assert all_rows_differ(latents(*tf.constant(pairs.T), 8).numpy())


def test_rows_are_the_same_on_every_call():
    first, second = (latents(int64(*EDGES), int64(*EDGES), 10).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)


# Priors.


def test_normals_have_the_moments_of_the_normal():
    values = many()
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        within((values**power).mean(), expected, variance, values.size)


def test_normals_follow_the_normal_distribution():
    assert stats.kstest(many(), "norm").pvalue > 1e-3


def test_normals_are_the_inverse_distribution_function_to_the_ends():
    uniform = np.float32([2**-24, 1e-4, 0.1, 0.5, 0.9, 1 - 2**-24])
    values = normals(uniform).numpy()
    np.testing.assert_allclose(values, stats.norm.ppf(uniform.astype(np.float64)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("truncation", [1e-3, 0.5, 2.0])
def test_truncated_normals_follow_the_truncated_normal(truncation):
    values = many(truncation=truncation)
    assert np.abs(values).max() <= truncation * (1 + 1e-5)
    assert stats.kstest(values, stats.truncnorm(-truncation, truncation).cdf).pvalue > 1e-3


def test_truncation_is_by_row():
    rows = latents(int64(1, 1, 1), int64(5, 5, 5), 256, truncation=tf.constant([0.1, 1.0, math.inf])).numpy()
    largest = np.abs(rows).max(1)
    assert largest[0] <= 0.1 * (1 + 1e-5) < largest[1] <= 1 + 1e-5 < largest[2]


def test_infinite_truncation_is_none():
    plain = latents(int64(1), int64(5), 64)
    np.testing.assert_array_equal(latents(int64(1), int64(5), 64, truncation=math.inf), plain)


@pytest.mark.parametrize(("truncation", "reach"), [(math.inf, 1.0), (3.0, 1.0), (0.25, 0.25)])
def test_uniform_prior_fills_its_range(truncation, reach):
    values = many(prior="uniform", truncation=truncation)
    assert np.abs(values).max() <= reach
    assert stats.kstest(values, stats.uniform(-reach, 2 * reach).cdf).pvalue > 1e-3


def test_unknown_prior_names_the_nearest():
    with pytest.raises(InputError, match=r"prior='normall' is unknown; did you mean 'normal'\?"):
        latents(int64(0), int64(0), 4, prior="normall")


# Streams.


def test_a_stream_repeats_itself():
    first, second = (stream().normal("x", (4, 5)).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_everything_that_names_a_draw_changes_it():
    draws = [
        stream().uniform("x", (4, 8)),
        stream().uniform("y", (4, 8)),
        stream(update="discriminator/0").uniform("x", (4, 8)),
        stream(update="discriminator/1").uniform("x", (4, 8)),
        stream(step=1).uniform("x", (4, 8)),
        stream(seed=2).uniform("x", (4, 8)),
        latents(int64(1, 1, 1, 1), int64(0, 1, 2, 3), 8, prior="uniform") / 2 + 0.5,  # of sampling
        stream().latents(4, 8, "uniform") / 2 + 0.5,
    ]
    assert all_rows_differ(np.concatenate(draws))


def test_rounds_share_no_row_at_the_largest_batch(monkeypatch):
    rows = []

    def recorded(seed, index, count, tag):
        rows.append(index.numpy())
        return tf.zeros([len(index), count])

    monkeypatch.setattr(noise, "uniforms", recorded)
    for step in (0, 1, 2):
        stream(step=step).uniform("x", (2**20, 1))
    assert rows[0].min() == 0
    assert rows[0].max() < rows[1].min() <= rows[1].max() < rows[2].min()


@pytest.mark.parametrize("shape", [(3, 1, 1, 1), (3, 2), (3, 5, 4, 3), (3, 17)])
def test_streams_have_the_shape_asked_for(shape):
    for draw in (stream().uniform, stream().normal):
        assert draw("x", shape).shape == shape


def test_a_row_of_a_stream_does_not_depend_on_the_batch():
    few, more = (stream().normal("x", (tf.constant(count), 3, 2)).numpy() for count in (3, 8))
    np.testing.assert_array_equal(few, more[:3])


def test_replicas_draw_the_rows_that_one_would(monkeypatch):
    whole = stream().latents(8, 6, "normal").numpy()
    monkeypatch.setattr(noise, "replica_id", lambda: 1)
    np.testing.assert_array_equal(stream().latents(4, 6, "normal"), whole[4:])


def test_streams_are_normal_and_uniform():
    uniform, normal = (draw("x", (512, 128)).numpy().ravel() for draw in (stream().uniform, stream().normal))
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3
    assert stats.kstest(normal, "norm").pvalue > 1e-3


def test_latents_of_a_stream_follow_the_prior():
    uniform, normal = (stream().latents(512, 64, prior).numpy().ravel() for prior in ("uniform", "normal"))
    assert stats.kstest(uniform, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert stats.kstest(normal, "norm").pvalue > 1e-3
