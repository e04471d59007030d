"""Eigenvalues of a game's Jacobian, with and without the consensus term, all weights of both players at once."""

import numpy as np
import tensorflow as tf

import ganzoo
from ganzoo.data import Density, load
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab
from ganzoo.objectives import cross_entropy, minimax

LATENT_DIM = 16
WEIGHT = 10.0  # the paper's gamma
BATCH = 512
SMALL = 1e-4  # of the largest eigenvalue without the term: below, it is 0 in float32
RULE = (
    "at the weights after the rounds played, which are not an exact stationary point (|v| is in the table); both "
    f"spectra without what is below {SMALL:g} times the largest eigenvalue without the term: "
)


def trained(density: Density, depth: int, rounds: int, seed: int) -> ganzoo.GAN:
    """Returns the game of two small networks after some rounds of consensus optimization."""
    network = {"architecture": "mlp", "width": 16, "depth": depth}
    gan = ganzoo.variants.Consensus(
        image_shape=density.image_shape, latent_dim=LATENT_DIM, consensus_weight=WEIGHT, objective="minimax", seed=seed,
        networks={"generator": network, "discriminator": network},
    )  # fmt: skip
    gan.compile({"name": "rmsprop", "learning_rate": 1e-4})
    gan.fit(density, batch_size=BATCH, steps_per_epoch=rounds, verbose=0)
    return gan


def jacobian(gan: ganzoo.GAN, real: tf.Tensor, latents: tf.Tensor, weight: float) -> tuple[np.ndarray, float]:
    """Returns the Jacobian [W, W] of what both descend, v = (dL_D/dD, dL_G/dG) plus weight d|v|^2/2, and |v|."""
    players = gan.discriminator.trainable_variables, gan.generator.trainable_variables
    variables = [variable.value for player in players for variable in player]

    @tf.function
    def rows() -> tuple[list[tf.Tensor], tf.Tensor]:
        with tf.GradientTape(persistent=True) as outer:
            with tf.GradientTape() as middle:
                with tf.GradientTape(persistent=True) as inner:
                    fake = gan.scores(gan.generator(latents, training=True))
                    losses = cross_entropy(gan.scores(real), fake), minimax(fake)
                field = [
                    gradient
                    for loss, player in zip(losses, players, strict=True)
                    for gradient in inner.gradient(loss, [each.value for each in player])
                ]
                half_norm = tf.add_n([tf.reduce_sum(tf.square(each)) for each in field]) / 2
            if weight:
                pulls = middle.gradient(half_norm, variables, unconnected_gradients="zero")
                field = [each + weight * pull for each, pull in zip(field, pulls, strict=True)]
            flat = tf.concat([tf.reshape(each, [-1]) for each in field], 0)
        # Row by row: all rows at once take 7 GB, and in parts of `parallel_iterations` TensorFlow 2.21 gets them wrong.
        blocks = outer.jacobian(flat, variables, unconnected_gradients="zero", experimental_use_pfor=False)
        return blocks, tf.sqrt(2 * half_norm)

    blocks, norm = rows()
    return np.concatenate([block.numpy().reshape(len(block), -1) for block in blocks], axis=1), float(norm)


def spectrum(matrix: np.ndarray) -> np.ndarray:
    """Returns the eigenvalues of the Jacobian of what is descended, negated: real parts should be negative."""
    return -np.linalg.eigvals(matrix.astype(np.float64))


def turning(values: np.ndarray) -> float:
    """Returns the largest |imaginary| over |real| part: how small a step has to be, the larger, the smaller."""
    return float(np.max(np.abs(values.imag) / np.maximum(np.abs(values.real), 1e-12)))


@experiment(
    "p-conopt-eigs",
    hours=(0.005, 0.05, 0.05),
    seeds=3,
    claims={
        "turning": Claim(
            "Mescheder et al. 2017; the first half in Padala & Gujar 2018, section 3.2",
            "The game's Jacobian has eigenvalues with large imaginary parts; the consensus term removes them.",
            RULE + "the largest |Im| / |Re| with the term is under a tenth of that without, on every seed",
            "figure",
        ),
        "sides": Claim(
            "Mescheder et al. 2017",
            "The term moves eigenvalues to the side that converges.",
            RULE + "at least 90 % of them have a negative real part with the term, fewer without, on every seed",
            "figure",
        ),
    },
)
def p_conopt_eigs(lab: Lab) -> None:
    """Takes the eigenvalues of a small game on the ring of 8, with and without the consensus term."""
    density, (depth, rounds) = load("ring8"), lab.choose(smoke=(1, 5), short=(4, 2_000))
    rows, spectra = [], {}
    for seed in lab.seeds:
        gan = trained(density, depth, rounds, seed)
        real = tf.constant(density.sample(BATCH, seed))
        latents = tf.random.stateless_normal([BATCH, LATENT_DIM], [seed, 1])
        both = {weight: jacobian(gan, real, latents, weight) for weight in (0.0, WEIGHT)}
        values = {weight: spectrum(matrix) for weight, (matrix, _) in both.items()}
        cut = SMALL * np.abs(values[0.0]).max()
        for weight, (_, norm) in both.items():
            kept = spectra[seed, weight] = values[weight][np.abs(values[weight]) > cut]
            rows.append(
                {
                    "seed": seed, "weight": weight, "field": norm, "eigenvalues": len(kept),
                    "dropped": len(values[weight]) - len(kept), "largest": float(np.abs(kept).max()),
                    "turning": turning(kept), "negative": float(np.mean(kept.real < 0)),
                }
            )  # fmt: skip
    lab.table("spectra", rows)
    pairs = [(rows[i], rows[i + 1]) for i in range(0, len(rows), 2)]
    told = lab.told
    less = [after["turning"] / before["turning"] for before, after in pairs]
    lab.judge("turning", max(less) < 0.1 if told else None, f"times {', '.join(f'{each:.2g}' for each in less)}")
    sides = [(before["negative"], after["negative"]) for before, after in pairs]
    found = "; ".join(f"{100 * a:.0f} % to {100 * b:.0f} %" for a, b in sides)
    lab.judge("sides", all(b >= 0.9 > a for a, b in sides) if told else None, found)
    with lab.figure("spectra", 8.0, 3.5) as figure:
        for panel, weight in zip(figure.subplots(1, 2), (0.0, WEIGHT), strict=True):
            values = spectra[lab.seeds[0], weight]
            panel.scatter(values.real, values.imag, s=6)
            panel.axvline(0, color="k", lw=0.5)
            panel.set_xscale("symlog", linthresh=1e-4)
            panel.set_yscale("symlog", linthresh=1e-4)
            panel.set_xticks([-0.1, -1e-3, 0, 1e-3, 0.1])
            panel.set(title=f"consensus weight {weight:g}", xlabel="real part", ylabel="imaginary part")
            panel.grid(alpha=0.3)
