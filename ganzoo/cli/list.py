"""Lists variants and recipes; --pattern takes wildcards.

ganzoo list --pattern='dual_d*'
"""

from absl import flags

from ganzoo import config, registry

PATTERN = flags.DEFINE_string("pattern", "*", "A shell pattern.")


def main() -> None:
    """Prints every variant with its paper's line, and every recipe with its first comment."""
    print("variants (ganzoo.build)")
    for name in registry.list_models(PATTERN.value):
        print(f"  {name:32} {registry.variant(name).__doc__.splitlines()[0]}")
    print("recipes (--recipe, ganzoo.build)")
    for name in config.list_recipes(PATTERN.value):
        print(f"  {name:32} {config.title(name)}")
