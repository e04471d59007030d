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
# A real eigenvalue l of a stationary point becomes l - gamma l^2: the term cannot turn a smaller one than this.
SMALL = 1 / WEIGHT
RULE = (
    "at the weights after the rounds played, which are not an exact stationary point (|v| is `field` in spectra.csv); "
    f"of each spectrum the eigenvalues of a size of {SMALL:g} = 1/gamma and more, since gamma = {WEIGHT:g} leaves the "
    "sign of smaller real ones as it is: "
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
    return float(np.max(np.abs(values.imag) / np.maximum(np.abs(values.real), 1e-12), initial=0.0))


@experiment(
    "p-conopt-eigs",
    hours=(0.005, 0.05, 0.05),
    seeds=5,
    first_seed=3,  # before, the rule was found
    differs="both spectra are taken at one game's weights, those after 2,000 rounds of consensus optimization (gamma "
    f"{WEIGHT:g}, RMSprop 1e-4, minimax loss) by 512 points: |v| is not 0 there, and the term has derivatives of v "
    "beside those of the paper's analysis, without which it would leave no real eigenvalue of a size of 1/gamma or "
    "more on the side that diverges",
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
        for weight, (_, norm) in both.items():
            kept = values[weight][np.abs(values[weight]) >= SMALL]
            spectra[seed, weight] = values[weight]
            rows.append(
                {
                    "seed": seed, "weight": weight, "field": norm, "eigenvalues": len(values[weight]),
                    "large": len(kept), "largest": float(np.abs(values[weight]).max()), "turning": turning(kept),
                    "negative": float(np.mean(kept.real < 0)) if len(kept) else np.nan,
                    "negative_of_all": float(np.mean(values[weight].real < 0)),
                }
            )  # fmt: skip
    lab.table("spectra", rows)
    pairs = [(rows[i], rows[i + 1]) for i in range(0, len(rows), 2)]
    found = "; ".join(f"{before['turning']:.2g} to {after['turning']:.2g}" for before, after in pairs)
    real = sum(before["large"] > 0 == before["turning"] for before, _ in pairs)
    found += f" (on {real} of {len(pairs)} seeds none of that size is complex without the term)" if real else ""
    less = all(after["turning"] < 0.1 * before["turning"] for before, after in pairs)
    lab.judge("turning", less if lab.told else None, found)
    found = "; ".join(
        f"{100 * a['negative']:.0f} % of {a['large']} to {100 * b['negative']:.0f} % of {b['large']}" for a, b in pairs
    )
    of_all = (100 * np.mean([row["negative_of_all"] for row in each]) for each in zip(*pairs, strict=True))
    found += "; of all eigenvalues, small ones too, {:.0f} % to {:.0f} %, mean of seeds".format(*of_all)
    sides = all(b["negative"] >= 0.9 > a["negative"] for a, b in pairs)
    lab.judge("sides", sides if lab.told else None, found)
    draw(lab, spectra)


def draw(lab: Lab, spectra: dict[tuple[int, float], np.ndarray]) -> None:
    """Draws both spectra of the first seed, on the same axes; what is within the dotted line is too small to count."""
    shown = {weight: spectra[lab.seeds[0], weight] for weight in (0.0, WEIGHT)}
    reach, angle = 2 * max(np.abs(values).max() for values in shown.values()), np.linspace(0, 2 * np.pi, 1_001)
    with lab.figure("spectra", 9.0, 4.2) as figure:
        for panel, (weight, values) in zip(figure.subplots(1, 2), shown.items(), strict=True):
            panel.scatter(values.real, values.imag, s=6)
            panel.axvline(0, color="k", lw=0.5)
            panel.plot(SMALL * np.cos(angle), SMALL * np.sin(angle), "k:", lw=0.8)
            panel.set_xscale("symlog", linthresh=1e-4)
            panel.set_yscale("symlog", linthresh=1e-4)
            panel.set(xlim=(-reach, reach), ylim=(-reach, reach))
            panel.set_xticks([-1, -1e-2, 0, 1e-2, 1])
            panel.set_yticks([-1, -1e-2, 0, 1e-2, 1])
            panel.set(title=f"consensus weight {weight:g}", xlabel="real part", ylabel="imaginary part")
            panel.grid(alpha=0.3)
