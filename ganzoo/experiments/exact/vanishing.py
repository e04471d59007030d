"""What a generator gets from a discriminator that nears its optimum: how much gradient, and how noisy."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from ganzoo.experiments.exact.held import discriminator, training
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab
from ganzoo.networks.blocks import Layers
from ganzoo.objectives import minimax, non_saturating

MARKS = (10, 30, 100, 300, 1_000, 3_000)
POINTS = 1_024
GAP = 1.0  # of the mean logits: below, D has not begun to tell real points from others
DISTANCE = 1.0  # from each generated point to the line of real ones: no point is both
WIDTH = 64
NORMALIZED = "leaky_relu, batch norm"
LOSSES = {"log(1 - D)": minimax, "-log D": non_saturating}


def lines(seed: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns real and generated points [N, 2] on two parallel segments, the example of Arjovsky et al. 2017."""
    height = np.random.default_rng(seed).uniform(-1, 1, size=(2, POINTS)).astype(np.float32)
    return tf.stack([tf.zeros(POINTS), height[0]], 1), tf.stack([tf.fill([POINTS], DISTANCE), height[1]], 1)


def gradients(model, loss: Callable, fake: tf.Tensor) -> np.ndarray:
    """Returns what moves each generated point, d loss / d G(z) of its own addend, float64 [N, D]."""
    with tf.GradientTape() as tape:
        tape.watch(fake)
        value = loss(model(fake, training=True)) * len(fake)  # batch norm, where there is one, sees these points
    return tape.gradient(value, fake).numpy().astype(np.float64)


def normalized(seed: int) -> keras.Model:
    """Returns the leaky ReLU network with batch norm on its second layer, as DCGAN has it on all but the first.

    On the first one, too, it would take out the mean of either batch, and with it all that parts the two segments.
    """
    make = Layers("orthogonal", seed, gain=0.8)
    points = keras.Input((2,), name="points")
    x = make.weighted(layers.Dense, WIDTH)(make(layers.Rescaling, 1 / 4)(points))
    x = make.weighted(layers.Dense, WIDTH, use_bias=False)(make.activation("leaky_relu")(x))
    x = make.activation("leaky_relu")(make.batch_norm()(x))
    return keras.Model(points, make.weighted(layers.Dense, 1)(x))


def measured(activation: str, seed: int, marks: tuple[int, ...]) -> list[dict]:
    """Returns, at each mark and for both losses, the size and the spread of a generator's gradient."""
    real, fake = lines(seed)
    spec = {"width": WIDTH, "depth": 2, "activation": activation}
    model = normalized(seed) if activation == NORMALIZED else discriminator(spec, 2, seed)
    rows = []
    for mark in training(model, real, fake, marks):
        for name, loss in LOSSES.items():
            own = gradients(model, loss, fake)
            mean = own.mean(0)
            rows.append(
                {
                    "activation": activation, "seed": seed, "step": mark, "loss": name,
                    "norm_of_mean": float(np.linalg.norm(mean)),
                    "spread": float(np.sqrt(((own - mean) ** 2).sum(1).mean())),
                    "logit_gap": float(np.subtract(*(model(x, training=True).numpy().mean() for x in (real, fake)))),
                }
            )  # fmt: skip
    return rows


def series(rows: list[dict], loss: str, column: str, **where) -> np.ndarray:
    """Returns a column's means over seeds, a step each."""
    own = [row for row in rows if row["loss"] == loss and all(row[key] == value for key, value in where.items())]
    steps = sorted({row["step"] for row in own})
    return np.array([np.mean([row[column] for row in own if row["step"] == step]) for step in steps])


@experiment(
    "a-noisy-gradient",
    hours=(0.002, 0.01, 0.01),
    seeds=5,
    differs="points on two segments for DCGAN's images, D trained on all of them at once; the noise is told as the "
    "gradient's spread over generated points, not as its change from step to step (a-frozen-g: over batches)",
    claims={
        "saturates": Claim(
            "Article; Arjovsky & Bottou 2017, theorem 2.4 and figure 2",
            "With log(1 - D) the generator's gradient vanishes as the discriminator nears its optimum.",
            f"on two parallel segments: after {MARKS[-1]:,} steps of D the mean gradient's norm is under 1 % of the "
            "largest it had; mean of seeds",
            "figure",
        ),
        "grows": Claim(
            "Article; Arjovsky & Bottou 2017, theorem 2.6 and figure 3",
            "With -log D the gradient grows instead, and gets noisy: its variance grows, too.",
            "norm and spread over generated points are both at least 3 times as large after "
            f"{MARKS[-1]:,} steps as at the first mark (10, 30, 100, ...) where the mean logits of real and "
            f"generated points are {GAP:g} apart; mean of seeds",
            "figure",
        ),
    },
)
def a_noisy_gradient(lab: Lab) -> None:
    """Trains a discriminator against a held generator: size and spread of both losses' gradients."""
    marks = lab.choose(smoke=MARKS[:4], short=MARKS)
    rows = [row for seed in lab.seeds for row in measured("leaky_relu", seed, marks)]
    lab.table("gradients", rows)
    saturating = series(rows, "log(1 - D)", "norm_of_mean")
    norm, spread, gap = (series(rows, "-log D", column) for column in ("norm_of_mean", "spread", "logit_gap"))
    told = lab.told
    rest = saturating[-1] / saturating.max()
    lab.judge("saturates", rest < 0.01 if told else None, f"{100 * rest:.2g} % of its largest")
    first = int(np.argmax(gap >= GAP))
    growth, noise = norm[-1] / norm[first], spread[-1] / spread[first]
    each = [series(rows, "-log D", "spread", seed=seed) for seed in lab.seeds]
    found = f"norm x {growth:.2g}, spread x {noise:.2g} from step {marks[first]} on, logits {gap[first]:.2g} apart; "
    found += f"spread seed by seed x {', '.join(f'{own[-1] / own[first]:.2g}' for own in each)}"
    lab.judge("grows", min(growth, noise) >= 3 if told and gap[first] >= GAP else None, found)
    with lab.figure("gradients", 9.0, 3.5) as figure:
        for panel, column in zip(figure.subplots(1, 2), ("norm_of_mean", "spread"), strict=True):
            for name in LOSSES:
                panel.loglog(marks, series(rows, name, column), "o-", label=name)
            panel.set(xlabel="steps of D, G held", title=column.replace("_", " "))
            panel.grid(alpha=0.3)
            panel.legend()


@experiment(
    "z-selu",
    hours=(0.005, 0.02, 0.02),
    seeds=5,
    differs="one dense discriminator; the generator is held, and with it both supports apart, where the paper argues "
    "that SELU would make them overlap: what is asked is whether SELU alone keeps a gradient alive; after equal steps, "
    "not at an equal loss; weights are LeCun normal with SELU, orthogonal of gain 0.8 without",
    claims={
        "alive": Claim(
            "Zhang et al. 2018, sections 1 and 2.1",
            "With SELU in the discriminator the generator's gradient does not disappear at the best discriminator.",
            f"on two parallel segments, log(1 - D): with SELU the norm after {MARKS[-1]:,} steps is above 10 % of the "
            "largest it had; mean of seeds",
            "argument",
        ),
        "better": Claim(
            "Zhang et al. 2018, abstract",
            "SELU, in the place of leaky ReLU and batch norm, keeps more of it.",
            "that norm is at least twice that with leaky ReLU, and twice that with leaky ReLU and "
            "batch norm on all layers but the first (on that one it would take out all that parts the two segments)",
            "argument",
        ),
    },
)
def z_selu(lab: Lab) -> None:
    """Trains discriminators of four kinds on segments apart, where none has an optimum: is G's gradient alive?"""
    marks = lab.choose(smoke=MARKS[:4], short=MARKS)
    activations = ("relu", "leaky_relu", NORMALIZED, "selu")
    rows = [row for seed in lab.seeds for each in activations for row in measured(each, seed, marks)]
    lab.table("gradients", rows)
    norms = {each: series(rows, "log(1 - D)", "norm_of_mean", activation=each) for each in activations}
    told = lab.told
    last = {each: values[-1] for each, values in norms.items()}
    rest = last["selu"] / norms["selu"].max()
    over = [last["selu"] / last[each] for each in ("leaky_relu", NORMALIZED)]
    lab.judge("alive", rest > 0.1 if told else None, f"{100 * rest:.2g} % of its largest")
    lab.judge("better", min(over) >= 2 if told else None,
              "{:.2g} times leaky ReLU's, {:.2g} times that with batch norm".format(*over))  # fmt: skip
    with lab.figure("gradients") as figure:
        plot = figure.add_subplot()
        for name, values in norms.items():
            plot.loglog(marks, values, "o-", label=name)
        plot.set(xlabel="steps of D, G held", ylabel="norm of G's mean gradient, log(1 - D)")
        plot.grid(alpha=0.3)
        plot.legend()
