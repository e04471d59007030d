"""Recipes: one TOML file says everything about a run; checked whole before any work is done."""

import dataclasses
import fnmatch
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import pydantic

import ganzoo.variants  # noqa: F401  (registers them)
from ganzoo.errors import InputError, did_you_mean
from ganzoo.evaluation.directions import sign_of
from ganzoo.gan import GAN
from ganzoo.networks import builder, specification
from ganzoo.noise import MOST_ROLLBACKS
from ganzoo.optimizers import optimizer
from ganzoo.players import Players
from ganzoo.precision import POLICIES, policy_of
from ganzoo.registry import list_models, variant
from ganzoo.settings import STRICT, Names, NonNegativeInt, PositiveInt, explained, one_of, validated

# A section of a recipe is a frozen dataclass; pydantic checks its fields.
frozen = pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=STRICT)


@frozen
class Data:
    """What to train on.

    Args:
        dataset: `"digits"`, a TFDS name, a folder of images, or a toy density (see `ganzoo.data.load`).
        split: as TFDS spells it, e.g. `"train[:90%]"`.
        image_size: pixels a side, or [height, width]; None: as they are.
        channels: 1 or 3; None: as they are.
        batch_size: examples an update, over all replicas.
    """

    dataset: str
    split: str = "train"
    image_size: Annotated[Any, pydantic.AfterValidator(lambda v: _image_size(v))] = None
    channels: Annotated[int, pydantic.AfterValidator(lambda v: _channels(v))] | None = None
    batch_size: PositiveInt = 64


def _image_size(value: Any) -> int | tuple[int, int] | None:
    sizes = value if isinstance(value, list | tuple) else [value, value]
    whole = all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes)
    if value is not None and not (whole and len(sizes) == 2):
        raise ValueError("give pixels a side, or [height, width]")
    return tuple(value) if isinstance(value, list) else value


def _channels(value: int) -> int:
    if value not in (1, 3):
        raise ValueError("give 1 (grey) or 3 (colour)")
    return value


ON_NAN = ("stop", "rollback")


@frozen
class Train:
    """How long to train, and how often to save, to watch and to evaluate.

    Args:
        steps: rounds, each one update of the generator.
        checkpoint_steps: rounds between checkpoints, rows of the loss history and sample grids.
        keep_checkpoints: how many of the newest to keep.
        watch_steps: rounds between looks of the collapse watch; 0: no watch.
        stop_on_collapse: whether a verdict of the watch ends training.
        evaluate_steps: rounds between evaluations; 0: none.
        evaluate_split: of the data set, held out from training.
        evaluate_samples: samples of an evaluation.
        evaluate_metrics: their names (see `ganzoo.evaluation.evaluate`); none: those that are its default.
        best_metric: the score that chooses the best checkpoint, `"fid"`, say; None: none is kept.
        on_nan: what becomes of a run with a term or gradient that is not finite: `"stop"`, or `"rollback"` to the
            newest checkpoint, from which it goes on with other noise and another order of the data.
        rollbacks: how often at most.
        jit_compile: compile the round with XLA.
        precision: what the networks compute in, `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`, which scales
            losses; None: Keras' global policy when the run begins, which its recipe.json then names.
        deterministic: the same bits in every run on the same machine (TensorFlow's op determinism).
    """

    steps: PositiveInt
    checkpoint_steps: PositiveInt = 500
    keep_checkpoints: PositiveInt = 3
    watch_steps: NonNegativeInt = 25
    stop_on_collapse: bool = False
    evaluate_steps: NonNegativeInt = 0
    evaluate_split: str = "test"
    evaluate_samples: Annotated[int, pydantic.Field(ge=2)] = 1_000
    evaluate_metrics: Names = ()
    best_metric: Annotated[str, pydantic.AfterValidator(lambda v: _has_best(v))] | None = None
    on_nan: Annotated[str, one_of(ON_NAN)] = "stop"
    rollbacks: Annotated[int, pydantic.Field(ge=0, le=MOST_ROLLBACKS)] = 3
    jit_compile: bool = False
    precision: Annotated[str, one_of(POLICIES)] | None = None
    deterministic: bool = True

    def __post_init__(self):
        # Keras drops jit_compile, with only a warning, where op determinism is on.
        if self.jit_compile and self.deterministic:
            raise ValueError("jit_compile needs deterministic = false: TensorFlow cannot do both")
        if self.stop_on_collapse and not self.watch_steps:
            raise ValueError("stop_on_collapse needs watch_steps > 0: nothing watches")
        if self.best_metric and not self.evaluate_steps:
            raise ValueError("best_metric needs evaluate_steps > 0: nothing is evaluated")


def _has_best(metric: str) -> str:
    sign_of(metric)
    return metric


@frozen
class Recipe:
    """A run: the variant, its settings, its players' optimizers, the data, the training.

    Args:
        name: of the recipe, for folders and records.
        variant: a registered name.
        gan: settings of the variant (see its class).
        optimizer: of every player: `name` and arguments of a Keras optimizer.
        optimizers: player -> what is different for it.
        data: see `Data`.
        train: see `Train`.
    """

    name: str
    variant: str
    gan: dict[str, Any] = dataclasses.field(default_factory=dict)
    optimizer: dict[str, Any] = dataclasses.field(default_factory=lambda: {"name": "adam"})
    optimizers: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    data: Data
    train: Train

    def __post_init__(self):
        cls = variant(self.variant)
        _named("gan", lambda: validated(cls, Players, self.gan))
        players = (*cls.opponents, *cls.partners, "generator")
        for section, given in (
            ("optimizers", self.optimizers),
            ("gan.networks", self.gan.get("networks", {})),
        ):
            for player in set(given) - set(players):
                raise InputError(f"{section}.{player}: no such player; {did_you_mean(player, players)}")
        for player, spec in self.gan.get("networks", {}).items():
            _named(
                "gan",
                lambda player=player, spec=spec: builder(player, specification(cls.default_networks[player], spec)),
            )
        for player in players:
            _named(f"optimizers.{player}", lambda player=player: optimizer(self.optimizer_of(player)))

    def optimizer_of(self, player: str) -> dict[str, Any]:
        """Returns the specification of a player's optimizer."""
        return {**self.optimizer, **self.optimizers.get(player, {})}

    def as_dict(self) -> dict[str, Any]:
        """Returns the recipe as plain values, as JSON keeps them."""
        return dataclasses.asdict(self)


SECTIONS = {"data": Data, "train": Train}


def _named(section: str, check) -> None:
    try:
        check()
    except InputError as error:
        raise InputError(f"[{section}] {error}") from None


def folder() -> Path:
    """Returns the folder of the shipped recipes: inside the wheel, or beside the package in a checkout."""
    inside = Path(__file__).parent / "zoo_configs"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "zoo_configs"


def list_recipes(pattern: str = "*") -> list[str]:
    """Returns the names of the shipped recipes that match a shell `pattern`, sorted."""
    return sorted(fnmatch.filter((path.stem for path in folder().glob("*.toml")), pattern))


def recipe_from(values: Mapping[str, Any], where: str) -> Recipe:
    """Returns the recipe of plain values.

    Raises:
        InputError: for anything unknown, of a wrong type, or impossible.
    """
    sections = {name: _made(cls, values.get(name, {}), f"recipe {where}: {name}.") for name, cls in SECTIONS.items()}
    return _made(Recipe, {**values, **sections}, f"recipe {where}: ")


def _made(cls: type, values: Any, where: str) -> Any:
    """Returns `cls(**values)`; what is wrong with it as an InputError that begins with `where`."""
    try:
        return cls(**values)
    except pydantic.ValidationError as error:
        names = [field.name for field in dataclasses.fields(cls)]
        raise InputError(f"{where}{explained(error, cls.__name__, names)}") from None
    except InputError as error:
        raise InputError(f"{where}{error}") from None
    except TypeError:
        raise InputError(f"{where}{values!r}: give a table of keys and values") from None


def load_recipe(name: str | Path, changes: Iterable[str] = ()) -> Recipe:
    """Returns a shipped recipe by name, or one from a TOML file.

    A recipe may say `base = "name of a shipped recipe"`: it is laid over that one and holds what differs.

    Args:
        name: of a shipped recipe, or a path that ends in .toml.
        changes: `"section.key=value"`, with the value as TOML spells it (quotes around strings may be left out).

    Raises:
        InputError: if there is no such recipe, or it is no valid one.
    """
    values = _values(name)
    for change in changes:
        _apply(values, change)
    return recipe_from({"name": Path(name).stem, **values}, str(name))


def with_precision(recipe: Recipe) -> Recipe:
    """Returns the recipe with Keras' global policy, as it is now, by name if it leaves the precision to that.

    Raises:
        InputError: if no game can be trained by that policy.
    """
    if recipe.train.precision is not None:
        return recipe
    train = dataclasses.replace(recipe.train, precision=policy_of(None).name)
    return dataclasses.replace(recipe, train=train)


def _path(name: str | Path) -> Path:
    """Returns where a recipe is."""
    path = Path(name)
    if path.suffix == ".toml":
        return path
    if str(name) not in list_recipes():
        raise InputError(f"recipe {str(name)!r} is unknown; {did_you_mean(str(name), list_recipes())}")
    return folder() / f"{name}.toml"


def _values(name: str | Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Returns a recipe's plain values, laid over those of its base; `above` are the recipes that led here."""
    path = _path(name)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"recipe {path} cannot be read: {error}") from None
    base = values.pop("base", None)
    if base is None:
        return values
    above = (*above, path.resolve())
    if not isinstance(base, str) or _path(base).resolve() in above:
        raise InputError(f"recipe {path}: base={base!r}: give the name of another recipe, that is not based on this")
    return merged(_values(base, above), values)


def title(name: str) -> str:
    """Returns the first line of a shipped recipe's header."""
    return _path(name).read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def _apply(values: dict[str, Any], change: str) -> None:
    """Sets `section.key=value` in nested `values`."""
    key, equals, text = (part.strip() for part in change.partition("="))
    if not equals or not all(key.split(".")):
        raise InputError(f"--set={change!r}: write it as section.key=value, e.g. gan.penalty_weight=5")
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise InputError(f"--set={change!r}: {section} is a value, not a section")
    values[last] = value_of(text)


def value_of(text: str) -> Any:
    """Returns the value that a text spells in TOML; of anything else the text, a string without quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Returns nested mappings laid one over the other; a network of another architecture starts anew."""
    result = dict(below)
    for key, value in above.items():
        nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        if nested and "architecture" in value:
            nested = value["architecture"] == result[key].get("architecture")
        result[key] = merged(result[key], value) if nested else value
    return result


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested mappings as `"section.key"` -> value."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flattened(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def build(name: str | Recipe, **settings: Any) -> GAN:
    """Returns the compiled GAN of a recipe or variant, ready for `fit`.

    Args:
        name: a variant (its paper's setting), a recipe, a path to a recipe, or a `Recipe`.
        **settings: of the variant (see its class), laid over the recipe's; e.g.
            `networks={"generator": {"width": 32}}`, `image_shape=(28, 28, 1)`, `dtype="mixed_bfloat16"`.

    Raises:
        InputError: if the name or a setting is unknown or impossible.
    """
    if isinstance(name, str) and Path(name).suffix != ".toml" and name not in list_recipes():
        known = {*list_recipes(), *list_models()}
        raise InputError(f"{name!r} is neither a variant nor a recipe; {did_you_mean(name, known)}")
    recipe = name if isinstance(name, Recipe) else load_recipe(name)
    cls = variant(recipe.variant)
    gan = cls(**{"dtype": recipe.train.precision, **merged(recipe.gan, settings)})
    gan.compile({player: recipe.optimizer_of(player) for player in gan.players}, jit_compile=recipe.train.jit_compile)
    return gan
