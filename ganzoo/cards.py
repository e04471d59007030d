"""What a variant says of itself: its card, and its row in the README's table, both from its class and its recipe."""

import functools
import inspect
import json
import re
import textwrap
from importlib import resources
from typing import NamedTuple

from ganzoo.config import load_recipe
from ganzoo.gan import GAN
from ganzoo.players import Players
from ganzoo.registry import list_models, variant
from ganzoo.settings import declared

NOTATION = (
    "Every line is minimised. a(x): a discriminator's score, unbounded, larger for data; G = G(z); E_x: mean over "
    "data, E_z: over latents; s: sigmoid; sp(t) = log(1 + e^t), so sp(-a) = -log s(a) and sp(a) = -log(1 - s(a))."
)


class Paper(NamedTuple):
    """Where a variant comes from."""

    authors: str
    year: int
    link: str


def sections(name: str) -> dict[str, str]:
    """Returns the parts of a variant's docstring by name: "summary", "Args", "Terms", "Equations", "Source", ..."""
    summary, *parts = re.split(r"^([A-Z][a-z]+):", inspect.cleandoc(variant(name).__doc__), flags=re.MULTILINE)
    texts = (textwrap.dedent(text.strip("\n")).strip() for text in parts[1::2])
    return {"summary": summary.strip().splitlines()[0]} | dict(zip(parts[::2], texts, strict=True))


def paper(name: str) -> Paper:
    """Returns the paper of a variant: the first that its `Source` names."""
    source = " ".join(sections(name)["Source"].split())
    authors, year = re.match(r"(.*?),? (\d{4})", source).groups()
    return Paper(authors, int(year), re.search(r"https://[^\s;,]+", source).group().rstrip(".:"))


@functools.cache
def costs() -> dict[str, float]:
    """Returns name -> time of a round over that of `dcgan` at equal networks, as `tools/costs.py` measured it."""
    return json.loads(resources.files("ganzoo").joinpath("costs.json").read_text(encoding="utf-8"))["round_over_dcgan"]


def cost(name: str) -> str:
    """Returns the measured cost of a round relative to dcgan's, or that there is no figure."""
    return f"{costs()[name]:.1f}" if name in costs() else "not measured"


def table() -> str:
    """Returns what the README shows of the variants: a Markdown table, and what is not tested of which, and why."""
    rows = ["| name | what it is | paper | year | round |", "| --- | --- | --- | --- | --- |"]
    reasons = []
    for name in list_models():
        authors, year, link = paper(name)
        summary = sections(name)["summary"].rstrip(".").replace("|", r"\|")
        rows.append(f"| `{name}` | {summary} | [{authors}]({link}) | {year} | {cost(name)} |")
        reasons += [
            f"* `{name}` {test.replace('_', ' ')}: {reason}."
            for test, reason in getattr(variant(name), "exempt", {}).items()
        ]
    return "\n".join([*rows, "", "Conformance tests that do not apply:", "", *reasons] if reasons else rows)


def spec(name: str) -> str:
    """Returns a variant's card: what it changes, its equations, defaults here and in the paper, deviations, cost.

    Args:
        name: a registered name.

    Raises:
        InputError: if there is no variant of that name.
    """
    said = sections(name)
    prose = {title: said.get(title, "") for title in ("Terms", "Paper", "Deviation", "Elsewhere", "Source")}
    prose = {title: _filled(text) for title, text in prose.items()}
    parts = {
        "What it changes": inspect.getmodule(variant(name)).__doc__.strip(),
        "Equations": f"{said['Equations']}\n\n{_filled(NOTATION)}",
        "Logged": prose["Terms"],
        "Defaults here": _defaults(name),
        "In the paper": prose["Paper"],
        "Deviation": prose["Deviation"] or "none.",
        "Elsewhere": prose["Elsewhere"],
        "Cost of a round": f"{cost(name)} (dcgan is 1, at equal networks)",
        "Source": prose["Source"],
    }
    body = (f"{title}\n\n{textwrap.indent(text, '  ')}" for title, text in parts.items() if text)
    return "\n\n".join([f"{name}: {said['summary']}", *body])


def _defaults(name: str) -> str:
    """Returns what a variant and its recipe set, a line each; what is as in `GAN` is left out."""
    cls, recipe, common = variant(name), load_recipe(name), declared(GAN, Players)
    lines = [
        f"{key} = {default!r}"
        for key, (_, default) in declared(cls, Players).items()
        if key not in common or default != common[key][1]
    ]
    lines += [f"networks.{player} = {dict(options)}" for player, options in cls.default_networks.items()]
    sections_of = {"gan": recipe.gan, "optimizer": recipe.optimizer, "optimizers": recipe.optimizers}
    lines += [
        f"recipe: {key}.{option} = {value!r}"
        for key, values in sections_of.items()
        for option, value in (values or {}).items()
    ]
    data, train = recipe.data, recipe.train
    lines.append(f"recipe: {data.dataset}, batch {data.batch_size}, {train.steps:,} rounds")
    return "\n".join(textwrap.fill(line, 116, subsequent_indent="  ") for line in lines)


def _filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 116)
