"""Kodali et al. 2018, table 1: three training procedures over random games."""

from collections.abc import Sequence

from ganzoo.experiments.bogonet.figures import draw
from ganzoo.experiments.bogonet.games import described
from ganzoo.experiments.bogonet.play import MEASURES, Played, Setting, play
from ganzoo.experiments.experiment import BUDGETS, Claim, Experiment, experiment
from ganzoo.experiments.lab import Lab, NotEnough
from ganzoo.experiments.papers import DRAGAN, PLAIN_GAME
from ganzoo.experiments.stability import COLLAPSED
from ganzoo.files import write_text

VANILLA = "non_saturating"
PAPERS = (VANILLA, "dragan", "wgan_gp")
ENOUGH = 20  # games
COLUMNS = (
    "Means and standard deviations over games. final: the last score; area: the sum of a run's scores; distance: the "
    "last Fréchet distance, lower is better; a game that never learned counts among the collapsed"
)
SHORT = Setting(games=30)
# The paper says neither rounds nor batch.
FULL = Setting(
    games=100, dataset="cifar10", side=32, divisor=1, rounds=20_000, evaluations=100, samples=5_000, batch_size=64,
    learning_rate=1e-4, metrics=("inception_score", "modes", "fid"),
)  # fmt: skip
SMOKE = Setting(games=1, rounds=4, evaluations=2, samples=50)
TABLE = "Kodali et al. 2018, table 1"
RULE = "{} minus {}, {}, a game each: the 95 % interval of the mean, by a bootstrap over at least {} games, is {} 0"


def compared(lab: Lab, setting: Setting, algorithms: Sequence[str]) -> Played:
    """Plays random games and leaves tables and figures of them in the lab.

    Raises:
        InputError: if an algorithm is unknown, comes twice, or cannot play drawn networks; or a run failed.
        NotEnough: if no game has been played by all.
    """
    played = play(lab, setting, algorithms)
    lab.table("games", [{"game": game.number, "latent_dim": game.latent_dim,
                         **{player: described(spec) for player, spec in game.networks.items()}}
                        for game in played.games])  # fmt: skip
    if not played.complete:
        raise NotEnough("no game has been played by all; the same command goes on")
    lab.table("runs", played.runs)
    lab.table("algorithms", played.summary())
    write_text(lab.path("algorithms.md"), markdown(played.summary()))
    if len(algorithms) > 1:
        lab.table("differences", played.differences())
    lab.table("curves", played.curves)
    if played.curves:
        draw(lab, played, setting.metrics[0])
    return played


def markdown(rows: Sequence[dict]) -> str:
    """Returns the summary as a table: means and standard deviations over games, and how many collapsed."""
    lines = ["| algorithm | games | final | area | distance | collapsed |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        cells = [f"{row[key]:.3g} ± {row[f'{key}_sd']:.2g}" for key in MEASURES]
        cells = [f"`{row['algorithm']}`", str(row["games"]), *cells, f"{100 * row['collapse_rate']:.0f} %"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + f"\n\n{COLUMNS}; {COLLAPSED}.\n"


def judge(lab: Lab, played: Played, claim: str, second: str, measures: Sequence[str]) -> None:
    """Judges whether DRAGAN is better than another algorithm by all of some measures."""
    rows = [row for row in played.differences()
            if (row["first"], row["second"]) == ("dragan", second) and row["measure"] in measures]  # fmt: skip
    said = [f"{row['measure']} {row['difference']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]" for row in rows]
    count = min([row["games"] for row in rows], default=0)  # of runs that left a distance, say
    told = lab.told and len(rows) == len(measures) and count >= ENOUGH
    found = f"{', '.join(said)} over {count} game{'s' * (count != 1)}" if rows else ""
    better = [row["high"] < 0 if row["measure"] == "distance" else row["low"] > 0 for row in rows]
    lab.judge(claim, all(better) if told else None, found)


@experiment(
    "k-bogonet",
    hours=(0.01, 1.7, 150.0),
    differs="the paper names families and odds: ranges (one width for all layers of a network), rounds, batch, "
    "optimizer and the number of evaluations are ours; critics of WGAN-GP have no batch norm where it is drawn, "
    f"DRAGAN's discriminators do; judges get these games, not another set; {DRAGAN}; {PLAIN_GAME}",
    scaled="30 games for 100, of digits 16x16 for CIFAR-10; drawn widths by 8, one strided layer less; 1,000 rounds, "
    "at which wgan_gp gains by its five critic steps in each; 20 evaluations of 500 samples by the digits' classifier "
    "for 100 by Inception; learning rate 5e-4 for 1e-4",
    claims={
        "final": Claim(
            TABLE,
            "DRAGAN's final score is above the plain game's.",
            RULE.format("DRAGAN", "the plain game", "final scores", ENOUGH, "above"),
            "3.70 ± 1.71 and 2.91 ± 1.44",
        ),
        "area": Claim(
            TABLE,
            "So is the area under its curve of scores.",
            RULE.format("DRAGAN", "the plain game", "sums of scores", ENOUGH, "above"),
            "312.15 ± 135.35 and 277.72 ± 126.09",
        ),
        "wgan_gp": Claim(
            TABLE,
            "DRAGAN is above WGAN-GP in both, though that has five critic steps a round.",
            RULE.format("DRAGAN", "WGAN-GP", "final scores and sums of scores", ENOUGH, "above"),
            "3.70 and 3.49 ± 1.30; 312.15 and 300.09 ± 100.96",
        ),
        "distance": Claim(
            "our check beside table 1: by the digits' classifier uniform noise has a score of 3.3",
            "DRAGAN's samples are nearer to the data than the plain game's, too.",
            RULE.format("DRAGAN", "the plain game", "logarithms of final Fréchet distances", ENOUGH, "below"),
            "none",
        ),
        "blind": Claim(
            TABLE,
            "Judges who do not know which is which see DRAGAN as the stabler one.",
            published="157.5 and 92.5 points over 50 games; `ganzoo blind` makes sheets for judges",
        ),
    },
)
def k_bogonet(lab: Lab) -> None:
    """Plays random games by the plain rule, DRAGAN and WGAN-GP: final scores, areas, collapses."""
    setting = lab.choose(smoke=SMOKE, short=SHORT, full=FULL)
    played = compared(lab, setting, lab.choose(smoke=PAPERS[:2], short=PAPERS))
    judge(lab, played, "final", VANILLA, ["final"])
    judge(lab, played, "area", VANILLA, ["area"])
    judge(lab, played, "wgan_gp", "wgan_gp", ["final", "area"])
    judge(lab, played, "distance", VANILLA, ["distance"])


def comparison(setting: Setting) -> Experiment:
    """Returns what a lab needs to know of a comparison of other algorithms."""
    rule = f"its final scores' intervals over each, of at least {ENOUGH} games, are above 0"
    claim = Claim("BogoNet", "One of them is above all others.", rule)
    return Experiment(f"bogonet-{setting.dataset}", f"Plays random games on {setting.dataset}", lambda lab: None,
                      {"best": claim}, dict.fromkeys(BUDGETS, 0.0))  # fmt: skip


def best_of(played: Played) -> str | None:
    """Returns the algorithm whose final scores are above each other one's, beyond chance; None: there is none."""
    if len(played.complete) < ENOUGH:
        return None
    rows = [row for row in played.differences() if row["measure"] == "final"]
    for name in played.algorithms:
        own = [row for row in rows if row["first"] == name]
        if own and all(row["low"] > 0 for row in own):
            return name
    return None
