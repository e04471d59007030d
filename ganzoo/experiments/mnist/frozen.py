"""One player held, the other trained on: Arjovsky & Bottou 2017, figures 2 and 3; the article on mode collapse."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from ganzoo import folders
from ganzoo.data import load, training_batches
from ganzoo.experiments.exact.vanishing import LOSSES, series
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab, NotEnough
from ganzoo.experiments.runs import Game, Trained
from ganzoo.gan import GAN
from ganzoo.noise import Stream

BATCH = 128
EPOCHS = (1, 10, 25)
SURE = 0.01  # D(G(z)): above, D is not near its optimum
HELD_EPOCH = 10  # after which the discriminator is held
ASCENDING = "wasserstein"  # by which G ascends the logit
# No batch norm: a held discriminator shall be a function of the image, a generator one of its latent alone.
NETWORK = '{{architecture = "strided", width = {}, depth = 2, normalized = false}}'
COMMON = {
    "seeds": 3,
    "needs": ("mnist",),
    "scaled": "16 and 32 filters for 64 and 128",
}


def split(lab: Lab) -> str:
    """Returns the part of MNIST that is trained on."""
    return lab.choose(smoke="train[:512]", short="train")


def rounds_of_epoch(lab: Lab) -> int:
    """Returns how many rounds an epoch has."""
    return lab.choose(smoke=512, short=60_000) // BATCH


def trained_game(lab: Lab) -> list[Trained]:
    """Returns the finished runs of the plain game that both experiments hold a player of, a checkpoint an epoch."""
    epoch, epochs = rounds_of_epoch(lab), max(held_epochs(lab))
    network = NETWORK.format(lab.choose(smoke=16, short=16, full=64))
    changes = (
        "data.dataset=mnist", f"data.split={split(lab)}", f"data.batch_size={BATCH}", "gan.prior=uniform",
        "gan.latent_dim=100", "gan.ema_momentum=0.0",
        f"gan.networks.generator={network}", f"gan.networks.discriminator={network}",
        f"train.steps={epochs * epoch}", f"train.checkpoint_steps={epoch}", f"train.keep_checkpoints={epochs}",
        "train.watch_steps=0", "train.evaluate_steps=0", "train.deterministic=false",
    )  # fmt: skip
    found = [each for each in lab.train({"plain": Game("non_saturating", changes)})["plain"] if each.finished]
    if not found:
        raise NotEnough("every run diverged")
    return found


def held_epochs(lab: Lab) -> tuple[int, ...]:
    """Returns the epochs after which a generator is held."""
    return lab.choose(smoke=(1,), short=EPOCHS)


def alone(gan: GAN, player: str, batches: Iterator, marks: Sequence[int]) -> Iterator[int]:
    """Yields the steps in `marks`, increasing, as one player trains and the others are held."""

    @tf.function
    def step(real: tf.Tensor, number: tf.Tensor) -> None:
        gan.update((player,), real, Stream(gan.seed, number, f"{player} alone"))

    done = 0
    for mark in marks:
        for number in tf.range(done, mark, dtype=tf.int64):
            step(next(batches), number)
        done = mark
        yield mark


def derived(trained: Trained, old: GAN, players: Sequence[str], **settings: int | str) -> GAN:
    """Returns a run's game with other settings, some players as they were in `old`, the others new."""
    gan, _ = folders.rebuilt(trained.run.model_dir, **settings)
    for name in players:
        getattr(gan, name).set_weights(getattr(old, name).get_weights())
    return gan


def weight_gradients(gan: GAN, loss: Callable[[tf.Tensor], tf.Tensor], batches: int) -> Callable[[], np.ndarray]:
    """Returns what takes a loss's gradients by the generator's weights, a batch of fakes a row: [batches, W]."""

    @tf.function
    def gradient(number: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = loss(gan.scores(gan.make_fake(tf.constant(BATCH), Stream(gan.seed, number, "gradients"))))
        return tf.concat([tf.reshape(g, [-1]) for g in tape.gradient(value, gan.generator.trainable_variables)], 0)

    numbers = tf.range(batches, dtype=tf.int64)
    return lambda: np.stack([gradient(number).numpy() for number in numbers]).astype(np.float64)


def believed(gan: GAN) -> float:
    """Returns the mean D(G(z)): how near to its optimum, 0, the discriminator of a generator is that draws no data."""
    fakes = gan.make_fake(tf.constant(1_000), Stream(gan.seed, tf.constant(0, tf.int64), "believed"))
    return float(tf.reduce_mean(tf.sigmoid(gan.scores(fakes))))


def size_and_spread(gradients: np.ndarray) -> dict[str, float]:
    """Returns the norm of the mean of gradients [N, W], and the root mean square of what they differ from it by."""
    mean = gradients.mean(0)
    spread = np.sqrt(((gradients - mean) ** 2).sum(1).mean())
    return {"norm_of_mean": float(np.linalg.norm(mean)), "spread": float(spread)}


@experiment(
    "a-frozen-g",
    hours=(0.01, 0.35, 3.0),
    **COMMON,
    differs="MNIST; two layers of stride 2 without batch norm, for a DCGAN",
    claims={
        "saturates": Claim(
            "Article; Arjovsky & Bottou 2017, figure 2",
            "With log(1 - D) the held generator's gradient vanishes as the discriminator nears its optimum.",
            "held after 1, 10 and 25 epochs, each: after D's last step the mean gradient's norm is under 1 % of the "
            f"largest it had; mean of seeds; not told unless the mean D(G(z)) there is under {100 * SURE:g} % in all "
            "three, so that D is near its optimum",
            "figure",
        ),
        "grows": Claim(
            "Article; Arjovsky & Bottou 2017, figure 3",
            "With -log D the gradient grows, and so does its variance.",
            "held after 1, 10 and 25 epochs, each: norm and spread over batches are after D's last step at least 3 "
            "times those after 100 steps, when D has left its beginning behind; mean of seeds",
            "figure",
        ),
    },
)
def a_frozen_g(lab: Lab) -> None:
    """Holds MNIST's generator after 1, 10 and 25 epochs: how large and noisy its gradient gets as D learns."""
    marks = lab.choose(smoke=(1, 2), short=(10, 30, 100, 300, 1_000, 4_000))
    runs, rows = trained_game(lab), []
    images = load("mnist", split(lab), data_dir=lab.data_dir)
    for trained in runs:
        held = trained.snapshots([epoch * rounds_of_epoch(lab) for epoch in held_epochs(lab)])
        for epoch, (_, old) in zip(held_epochs(lab), held, strict=True):
            gan = derived(trained, old, ("generator",), seed=trained.seed + 1_000)
            batches = iter(training_batches(images, BATCH, gan.seed))
            taken = {name: weight_gradients(gan, loss, lab.choose(smoke=2, short=16)) for name, loss in LOSSES.items()}
            for mark in alone(gan, "discriminator", batches, marks):
                level = {"probability": believed(gan)}
                for name, gradients in taken.items():
                    found = level | size_and_spread(gradients())
                    rows.append({"epoch": epoch, "seed": trained.seed, "step": mark, "loss": name, **found})
    lab.table("gradients", rows)
    judge_gradients(lab, rows)
    draw_gradients(lab, rows)


def draw_gradients(lab: Lab, rows: list[dict]) -> None:
    """Draws size and spread of both losses' gradients over D's steps, a colour an epoch."""
    steps = sorted({row["step"] for row in rows})
    with lab.figure("gradients", 9.0, 3.6) as figure:
        panels = figure.subplots(1, 2)
        panels[0].set_ylabel("gradient by G's weights")
        for panel, column in zip(panels, ("norm_of_mean", "spread"), strict=True):
            for style, name in zip(("--", "-"), LOSSES, strict=True):
                for number, epoch in enumerate(held_epochs(lab)):
                    values = series(rows, name, column, epoch=epoch)
                    panel.loglog(steps, values, f"C{number}{style}", label=f"{name}, G of epoch {epoch}")
            panel.set(xlabel="steps of D, G held", title=column.replace("_", " "))
            panel.grid(alpha=0.3)
        panel.legend(fontsize=7, handlelength=3)


def judge_gradients(lab: Lab, rows: list[dict]) -> None:
    """Judges both claims at every epoch."""
    rests, levels, growths, steps = {}, {}, {}, sorted({row["step"] for row in rows})
    start = steps.index(lab.choose(smoke=steps[0], short=100))
    for epoch in held_epochs(lab):
        saturating = series(rows, "log(1 - D)", "norm_of_mean", epoch=epoch)
        rests[epoch] = float(saturating[-1] / saturating.max())
        levels[epoch] = float(series(rows, "log(1 - D)", "probability", epoch=epoch)[-1])
        columns = (series(rows, "-log D", column, epoch=epoch) for column in ("norm_of_mean", "spread"))
        growths[epoch] = [float(values[-1] / values[start]) for values in columns]
    told, near = lab.told_by(lab.trained.values()), max(levels.values()) < SURE
    found = "; ".join(
        f"epoch {epoch}: {100 * rest:.3g} % of its largest, D(G(z)) {levels[epoch]:.2g}"
        for epoch, rest in rests.items()
    )
    lab.judge("saturates", max(rests.values()) < 0.01 if told and near else None, found)
    found = "; ".join(f"epoch {epoch}: norm x {norm:.2g}, spread x {far:.2g}" for epoch, (norm, far) in growths.items())
    lab.judge("grows", all(min(growth) >= 3 for growth in growths.values()) if told else None, found)


def variety(gan: GAN, count: int) -> dict[str, float]:
    """Returns how far samples differ, how much a latent matters, and how real D thinks they are.

    `spread` is the root mean square deviation of a pixel over samples, `slope` the root mean square of the Frobenius
    norm of dG/dz: of J^T v, with one v ~ N(0, I) a sample, whose squared norm has the mean ||J||^2.
    """
    stream = Stream(0, tf.constant(0, tf.int64), "variety")
    latents = stream.latents(tf.constant(count), gan.latent_dim, gan.prior)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        images = gan.generator(latents, training=False)
        value = tf.reduce_sum(images * stream.normal("directions", (count, *gan.image_shape)))
    squares = tf.reduce_sum(tf.square(tape.gradient(value, latents)), axis=1)
    return {
        "spread": float(tf.sqrt(tf.reduce_mean(tf.math.reduce_variance(images, axis=0)))),
        "slope": float(tf.sqrt(tf.reduce_mean(squares))),
        "probability": float(tf.reduce_mean(tf.sigmoid(gan.discriminator(images, training=False)))),
    }


@experiment(
    "a-frozen-d",
    hours=(0.01, 0.3, 3.0),
    **COMMON,
    differs="the article argues without networks: two layers of stride 2 without batch norm, on MNIST; once D is held "
    "G ascends its logit, by new steps of Adam, since log D pushes no more where D(G(z)) is 1",
    claims={
        "one_point": Claim(
            "Article, on mode collapse",
            "Against a held discriminator all samples become one image (whether that one which it thinks most real, as "
            "the article has it, is left open: its probability is told beside).",
            "D held after 10 epochs: the samples' spread after G's last step is under 10 % of that before; mean of "
            "seeds",
            "argument",
        ),
        "deaf": Claim(
            "Article, on mode collapse",
            "The sample no longer depends on the latent: dG/dz goes to 0.",
            "the root mean square of ||dG/dz|| after G's last step is under 10 % of that before; mean of seeds",
            "argument",
        ),
    },
)
def a_frozen_d(lab: Lab) -> None:
    """Holds MNIST's discriminator and trains the generator on: do all samples become one?"""
    marks = lab.choose(smoke=(0, 1, 2), short=(0, 30, 100, 300, 1_000, 3_000, 10_000))
    epoch = lab.choose(smoke=1, short=HELD_EPOCH)
    rows, sheet = [], []
    for trained in trained_game(lab):
        old = trained.restored(epoch * rounds_of_epoch(lab))
        gan = derived(trained, old, ("discriminator", "generator"), objective=ASCENDING)
        batches = itertools.repeat(tf.zeros((BATCH, *gan.image_shape)))  # the generator sees no data
        for mark in alone(gan, "generator", batches, marks):
            rows.append({"seed": trained.seed, "step": mark, **variety(gan, lab.choose(smoke=50, short=1_000))})
            if trained.seed == rows[0]["seed"]:
                sheet.append(gan.generate(10, seed=1, averaged=False))
    lab.table("variety", rows)
    first, last = ([row for row in rows if row["step"] == step] for step in (marks[0], marks[-1]))
    told = lab.told_by(lab.trained.values())
    believed_in = "; D(G(z)) " + ", ".join(f"{row['probability']:.3f}" for row in last)
    for claim, column, beside in (("one_point", "spread", believed_in), ("deaf", "slope", "")):
        rest = np.mean([row[column] for row in last]) / np.mean([row[column] for row in first])
        each = ", ".join(f"{100 * b[column] / a[column]:.2f}" for a, b in zip(first, last, strict=True))
        found = f"{100 * rest:.3g} % of that before; seed by seed {each} %{beside}"
        lab.judge(claim, rest < 0.1 if told else None, found)
    draw_variety(lab, rows, marks, sheet)


def draw_variety(lab: Lab, rows: list[dict], marks: Sequence[int], sheet: list[np.ndarray]) -> None:
    """Draws spread and slope over the steps, and below a row of samples a mark, of the same latents."""
    with lab.figure("variety", 7.0, 3.2) as figure:
        plot = figure.add_subplot()
        for number, column in enumerate(("spread", "slope", "probability")):
            label = "D(G(z))" if column == "probability" else f"{column}, over that before"
            for position, seed in enumerate(dict.fromkeys(row["seed"] for row in rows)):
                values = np.array([row[column] for row in rows if row["seed"] == seed])
                relative = values if column == "probability" else values / values[0]
                shown = None if position else f"{label} (a line a seed)"
                plot.plot(range(len(marks)), relative, f"C{number}o-", ms=3, alpha=0.8, label=shown)
        plot.set_xticks(range(len(marks)), [f"{mark:,}" for mark in marks])
        plot.set_xlabel("steps of G, D held")
        plot.grid(alpha=0.3)
        plot.legend(fontsize=8)
    with lab.figure("samples", 7.0, 0.7 * len(sheet) + 0.2) as figure:
        for row, mark, images in zip(figure.subplots(len(sheet), 1), marks, sheet, strict=True):
            row.imshow(np.hstack(images[..., 0]), cmap="gray", vmin=0, vmax=255)
            row.set(xticks=[], yticks=[])
            row.set_ylabel(f"{mark:,}", rotation=0, ha="right", va="center", fontsize=8)
