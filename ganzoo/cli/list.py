"""Lists variants and recipes; --pattern takes wildcards. --spec prints the card of one variant.

ganzoo list --pattern='dual_d*'
ganzoo list --spec=dragan
"""

from absl import flags

from ganzoo import cards, config, registry

PATTERN = flags.DEFINE_string("pattern", "*", "A shell pattern.")
SPEC = flags.DEFINE_string("spec", None, "A variant: what it changes, its equations, defaults, deviations, cost.")


def main() -> None:
    """Prints a card; or every variant with a line of what it is, and every recipe with its first comment."""
    if SPEC.value:
        print(cards.spec(SPEC.value))
        return
    print("variants (ganzoo.build)")
    for name in registry.list_models(PATTERN.value):
        print(f"  {name:32} {registry.variant(name).__doc__.splitlines()[0]}")
    print("recipes (--recipe, ganzoo.build)")
    for name in config.list_recipes(PATTERN.value):
        print(f"  {name:32} {config.title(name)}")
