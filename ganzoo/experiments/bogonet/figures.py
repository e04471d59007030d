"""Pictures of random games: curves of each and of all, final scores."""

import numpy as np

from ganzoo.experiments.bogonet.play import MEASURES, Played, by_game
from ganzoo.experiments.lab import Lab

MOST_PANELS = 100
BOXES = {
    "showmeans": True,
    "showfliers": False,  # every game has its point
    "medianprops": {"color": "black"},
    "meanprops": {"marker": "D", "markerfacecolor": "black", "markeredgecolor": "black", "markersize": 4},
}


def draw(lab: Lab, played: Played, score: str) -> None:
    """Draws the mean curves with their spread, a panel a game, and boxes of what runs came to."""
    curves = by_game(played.curves)
    colours = {name: f"C{number}" for number, name in enumerate(played.algorithms)}
    draw_means(lab, curves, colours, score.replace("_", " "))
    draw_games(lab, curves, colours)
    draw_boxes(lab, played, colours, score.replace("_", " "))


def draw_means(lab: Lab, curves: dict, colours: dict, score: str) -> None:
    """Draws each algorithm's mean over the games that were scored then, and the middle half of them."""
    with lab.figure("curves") as figure:
        plot = figure.add_subplot()
        for name, colour in colours.items():
            at: dict[float, list[float]] = {}
            for game in curves.values():
                for step, value in zip(*game.get(name, ([], [])), strict=True):
                    at.setdefault(step, []).append(value)
            steps = sorted(at)
            if not steps:
                continue
            low, high = np.array([np.percentile(at[step], [25, 75]) for step in steps]).T
            plot.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)
            plot.plot(steps, [np.mean(at[step]) for step in steps], color=colour, label=name)
        plot.set(xlabel="round", ylabel=score, title="mean over games, and their middle half")
        plot.grid(alpha=0.3)
        plot.legend()


def draw_games(lab: Lab, curves: dict, colours: dict) -> None:
    """Draws a panel a game, of the first 100; a cross where a run broke off."""
    end = max(steps[-1] for game in curves.values() for steps, _ in game.values())
    shown = list(curves.items())[:MOST_PANELS]
    columns = min(10 if len(shown) > 30 else 6, max(1, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    with lab.figure("games", max(5.0, 1.3 * columns + 0.4), 1.1 * rows + 0.7) as figure:
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for panel in panels.ravel()[len(shown) :]:
            panel.axis("off")
        for panel, (number, game) in zip(panels.ravel(), shown, strict=False):
            for name, (steps, scores) in game.items():
                panel.plot(steps, scores, color=colours[name], lw=1)
                if steps[-1] < end:
                    panel.plot(steps[-1], scores[-1], "x", color=colours[name], ms=5)
            panel.set_title(f"game {number}", fontsize=6, pad=2)
            panel.tick_params(labelsize=5)
            panel.grid(alpha=0.3)
        panels[-1, 0].set_xlabel("round", fontsize=7)
        panels[-1, 0].set_ylabel("score", fontsize=7)
        handles = [panels[0, 0].plot([], [], color=colour)[0] for colour in colours.values()]
        figure.legend(handles, list(colours), loc="outside upper center", ncols=min(4, len(colours)), fontsize=7)


def draw_boxes(lab: Lab, played: Played, colours: dict, score: str) -> None:
    """Draws boxes over games, a point a game."""
    names, count = list(colours), len(played.complete)
    titles = {"final": f"last {score}", "area": f"sum of {score}", "distance": "last Fréchet distance"}
    with lab.figure("finals", max(9.0, 2.0 * len(names)), 3.8) as figure:
        for panel, measure in zip(figure.subplots(1, len(MEASURES)), MEASURES, strict=True):
            values = [played.values(name, measure) for name in names]
            if count:
                panel.boxplot([own[np.isfinite(own)] for own in values], tick_labels=names, **BOXES)
            for position, (own, colour) in enumerate(zip(values, colours.values(), strict=True), start=1):
                panel.plot(position + np.linspace(-0.2, 0.2, count), own, ".", color=colour, ms=3, alpha=0.6)
            panel.set_title(titles[measure], fontsize=9)
            panel.set_yscale("log" if measure == "distance" else "linear")
            panel.tick_params(axis="x", labelsize=7, rotation=30 if len(names) > 3 else 0)
            panel.grid(alpha=0.3, axis="y")
