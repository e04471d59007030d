"""The one setting in which every variant plays on points, and what is measured there."""

from collections.abc import Sequence

from ganzoo.experiments.runs import Game
from ganzoo.registry import list_models

BATCH = 256
SAMPLES = 2_500
SNAPSHOTS = 5  # checkpoints of a run, evenly spread
# At one rate of 1e-3 for both players the plain game collapses, so there is something to cure. At D's 1e-3 and G's 1e-4
# it does not, and of no variant that reaches two modes are 5 % of the samples near any after 3,000 rounds.
ADAM = '{name = "adam", learning_rate = 1e-3, beta_1 = 0.5, beta_2 = 0.999}'
RMSPROP = ('optimizer={name = "rmsprop", learning_rate = 1e-3}',)  # where a paper forbids momentum
FEWER = ("gan.networks.discriminator.minibatch_kernels=16",)  # for 100, which cost thirty times the rest of a round
# What depends on the scale of the data, and what makes a variant what it is.
OWN = {
    "consensus": RMSPROP,
    "cramer": ("gan.penalty_weight=1.0", "gan.networks.discriminator.outputs=64"),
    "dfm": ("gan.networks.denoiser.width=128",),
    "dragan": ("gan.penalty_weight=0.1",),
    "dual_d_selu": FEWER,
    "minibatch_discrimination": FEWER,
    "unrolled": ("gan.unroll_rate=0.1",),
    "wgan": RMSPROP,
    "wgan_gp": ("gan.penalty_weight=0.1",),
}


def zoo_game(variant: str, dataset: str, rounds: int) -> Game:
    """Returns a variant's game on a density: dense networks of 128 units, batches of 256, one rate for all."""
    every = max(1, rounds // SNAPSHOTS)
    last = () if variant == "averaged" else ("gan.ema_momentum=0.0",)  # the mean is that variant's point
    changes = (
        f"data.dataset={dataset}", f"data.batch_size={BATCH}", f"train.steps={rounds}", "train.deterministic=false",
        f"train.checkpoint_steps={every}", f"train.keep_checkpoints={SNAPSHOTS}", "train.precision=float32",
        f"train.evaluate_steps={every}", f"train.evaluate_samples={SAMPLES}", "train.watch_steps=0",
        f"optimizer={ADAM}", "optimizers={}", "train.jit_compile=true",
    )  # fmt: skip
    return Game(variant, (*changes, *last, *OWN.get(variant, ())))


def zoo(dataset: str, rounds: int, names: Sequence[str] | None = None) -> dict[str, Game]:
    """Returns the games of all variants, or of some, by name."""
    return {name: zoo_game(name, dataset, rounds) for name in names or list_models()}
