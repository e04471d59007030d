import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from ganzoo.config import build, flattened, folder, list_recipes, load_recipe, merged, recipe_from, title
from ganzoo.errors import InputError
from ganzoo.gan import GAN
from ganzoo.optimizers import NAMES, SCHEDULES, optimizer, schedule
from ganzoo.registry import list_models
from ganzoo.variants import DualDSELU

# The smallest recipe: points, so that networks are small.
SMALL = {
    "name": "small",
    "variant": "dual_d_selu",
    "gan": {"image_shape": [2], "latent_dim": 3},
    "data": {"dataset": "ring8"},
    "train": {"steps": 10},
}
COSINE = {"schedule": "CosineDecay", "initial_learning_rate": 0.5, "decay_steps": 100}


def small(**changes):
    return recipe_from(merged(SMALL, changes), "small")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def small_file(tmp_path):
    lines = [
        'variant = "dual_d_selu"',
        "[gan]",
        "latent_dim = 3",
        "[data]",
        'dataset = "ring8"',
        "[train]",
        "steps = 10",
    ]
    return write(tmp_path / "mine.toml", "\n".join(lines))


def refusal(function, *args, **kwargs) -> str:
    """The message of the InputError: one line, in words of the recipe and not of a library."""
    with pytest.raises(InputError) as caught:
        function(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    for internal in ("function-", "constrained", "dict[", "is-instance", "ArgsKwargs"):
        assert internal not in message
    return message


# Shipped recipes.


@pytest.mark.parametrize("name", list_recipes())
def test_shipped_recipes_load_and_build(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    gan = build(name)
    assert gan.variant == recipe.variant
    assert set(gan.optimizers) == set(gan.players)


@pytest.mark.parametrize("name", list_recipes())
def test_shipped_recipes_say_their_command_source_and_expectation(name):
    header = [line for line in (folder() / f"{name}.toml").read_text().splitlines() if line.startswith("#")]
    assert header
    text = {line[2:].split(":")[0]: line for line in header}
    assert f"ganzoo train --recipe={name} " in text["Command"] + " "
    assert "http" in "\n".join(header[header.index(text["Source"]) : header.index(text["Expected"])])
    assert len(text["Expected"]) > len("# Expected: ")
    assert "TODO" not in "\n".join(header)


@pytest.mark.parametrize("name", list_models())
def test_every_variant_has_a_recipe_of_its_name(name):
    assert load_recipe(name).variant == name


def test_recipes_are_listed_by_pattern():
    assert list_recipes("dual_d_selu_h*") == ["dual_d_selu_hinge", "dual_d_selu_hinge_gp"]


def test_a_recipes_title_is_its_first_line():
    assert title("dragan") == "DRAGAN on CIFAR-10"


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("dual_d_selu_hinge_gp", "gan.objective", "hinge"),
        ("dual_d_selu_hinge_gp", "gan.penalty", "interpolates"),
        ("dual_d_selu_without_md", "gan.networks.discriminator.minibatch_kernels", 0),
        ("dual_d_selu_both_md", "gan.networks.second_discriminator.minibatch_kernels", 100),
        ("dual_d_selu_both_selu", "gan.networks.discriminator.activation", "selu"),
        ("dual_d_selu_without_selu", "gan.networks.second_discriminator.normalized", True),
        ("dual_d_selu_without_resblock", "gan.networks.discriminator.architecture", "dcgan"),
    ],
)
def test_ablations_differ_from_the_papers_setting_in_what_they_name(name, key, value):
    papers, ablation = (flattened(load_recipe(recipe).as_dict()) for recipe in ("dual_d_selu", name))
    assert ablation[key] == value != papers.get(key)
    assert {k: ablation[k] for k in papers if not k.startswith("gan") and k != "name"} == {
        k: v for k, v in papers.items() if not k.startswith("gan") and k != "name"
    }


# What is refused.


@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        ({"variant": "dual_d_sel"}, ["'dual_d_sel'", "did you mean 'dual_d_selu'?"]),
        ({"trian": {"steps": 3}}, ["trian", "did you mean 'train'?"]),
        ({"gan": {"penalti": 1}}, ["[gan] penalti", "DualDSELU", "did you mean 'penalty'?"]),
        ({"gan": {"penalty": "interpolate"}}, ["penalty='interpolate'", "did you mean 'interpolates'?"]),
        ({"gan": {"penalty_weight": -1.0}}, ["penalty_weight=-1.0", "greater than or equal to 0"]),
        ({"gan": {"penalty_weight": "much"}}, ["penalty_weight='much'", "number"]),
        ({"gan": {"instance_noise": float("nan")}}, ["instance_noise=nan", "finite"]),
        ({"gan": {"ema_momentum": 1.0}}, ["ema_momentum=1.0", "less than 1"]),
        ({"gan": {"latent_dim": 2.5}}, ["latent_dim=2.5", "integer"]),
        ({"gan": {"latent_dim": 0}}, ["latent_dim=0", "greater than 0"]),
        ({"gan": {"simultaneous": 1}}, ["simultaneous=1", "boolean"]),
        ({"gan": {"seed": -1}}, ["seed=-1", "greater than or equal to 0"]),
        ({"gan": 3}, ["gan=3", "dictionary"]),
        ({"gan": {"networks": 3}}, ["networks=3", "dictionary"]),
        ({"gan": {"networks": {"generator": 3}}}, ["networks.generator", "3"]),
        ({"gan": {"networks": {"genrator": {}}}}, ["gan.networks.genrator", "did you mean 'generator'?"]),
        ({"gan": {"networks": {"generator": {"widht": 1}}}}, ["networks.generator.widht", "did you mean 'width'?"]),
        ({"gan": {"networks": {"generator": {"width": -1}}}}, ["networks.generator.width=-1"]),
        ({"gan": {"networks": {"generator": {"width": "wide"}}}}, ["networks.generator.width='wide'"]),
        (
            {"gan": {"networks": {"second_discriminator": {"activation": "sellu"}}}},
            ["activation='sellu'", "did you mean 'selu'?"],
        ),
        (
            {"gan": {"networks": {"discriminator": {"architecture": "resnt"}}}},
            ["networks.discriminator.architecture='resnt'", "did you mean 'resnet'?"],
        ),
        ({"optimizers": {"genrator": {}}}, ["optimizers.genrator", "did you mean 'generator'?"]),
        ({"optimizers": {"generator": 3}}, ["optimizers.generator=3", "dictionary"]),
        ({"optimizer": {"name": "adm"}}, ["name='adm'", "did you mean 'adam'?"]),
        ({"optimizer": {"beta1": 0.5}}, ["beta1", "see its Keras documentation"]),
        ({"optimizer": {"learning_rate": 0}}, ["learning_rate=0", "above 0"]),
        ({"optimizer": {"learning_rate": -1e-4}}, ["learning_rate=-0.0001", "above 0"]),
        ({"optimizer": {"learning_rate": "fast"}}, ["learning_rate='fast'", "above 0"]),
        ({"optimizer": {"learning_rate": float("nan")}}, ["learning_rate=nan", "above 0"]),
        (
            {"optimizers": {"generator": {"learning_rate": {"schedule": "CosineDecy"}}}},
            ["[optimizers.generator]", "schedule='CosineDecy'", "did you mean 'CosineDecay'?"],
        ),
        (
            {"optimizers": {"generator": {"learning_rate": {**COSINE, "decay_step": 5}}}},
            ["[optimizers.generator]", "CosineDecay", "decay_step"],
        ),
        ({"data": "digits"}, ["data", "'digits'", "give a table"]),
        ({"data": {"channels": 2}}, ["data.channels=2", "1 (grey) or 3 (colour)"]),
        ({"data": {"image_size": [8, 8, 8]}}, ["data.image_size=[8, 8, 8]"]),
        ({"data": {"image_size": 0}}, ["data.image_size=0"]),
        ({"data": {"batch_sise": 8}}, ["data.batch_sise", "did you mean 'batch_size'?"]),
        ({"train": {"steps": 0}}, ["train.steps=0", "greater than 0"]),
        ({"train": {"steps": 1.5}}, ["train.steps=1.5", "integer"]),
        ({"train": {"stepss": 3}}, ["train.stepss", "did you mean 'steps'?"]),
        ({"train": {"jit_compile": True}}, ["jit_compile", "deterministic = false"]),
    ],
    ids=str,
)
def test_a_wrong_recipe_is_refused_in_one_message(changes, fragments):
    message = refusal(small, **changes)
    assert message.startswith("recipe small: ")
    assert [fragment for fragment in fragments if fragment not in message] == []


@pytest.mark.parametrize(("section", "key"), [("data", "dataset"), ("train", "steps")])
def test_a_missing_key_is_named(section, key):
    message = refusal(recipe_from, {**SMALL, section: {}}, "small")
    assert f"{section}.{key}: missing" in message


def test_all_that_is_wrong_in_a_section_is_said_at_once():
    message = refusal(small, gan={"penalti": 1, "seed": -1})
    assert "penalti" in message
    assert "seed=-1" in message


def test_a_recipe_that_is_not_there_is_named(tmp_path):
    assert "did you mean 'dual_d_selu'?" in refusal(load_recipe, "dual_d_sleu")
    missing = tmp_path / "missing.toml"
    assert str(missing) in refusal(load_recipe, missing)


@pytest.mark.parametrize("content", [b"variant = ", b"\xff\xfe", b"[gan\n"])
def test_a_file_that_is_no_toml_is_named(tmp_path, content):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    assert str(path) in refusal(load_recipe, path)


# Files and bases.


def test_a_recipe_is_read_from_a_file(small_file):
    recipe = load_recipe(small_file)
    assert (recipe.name, recipe.gan, recipe.train.steps) == ("mine", {"latent_dim": 3}, 10)


def test_numbers_without_a_fraction_are_numbers():
    assert small(gan={"penalty_weight": 5}).gan["penalty_weight"] == 5


def test_a_recipe_is_laid_over_its_base(tmp_path, small_file):
    over = write(tmp_path / "over.toml", f"base = '{small_file}'\n[gan]\nseed = 4\n[train]\nsteps = 20")
    recipe = load_recipe(over)
    assert (recipe.name, recipe.variant, recipe.data.dataset) == ("over", "dual_d_selu", "ring8")
    assert recipe.gan == {"latent_dim": 3, "seed": 4}
    assert recipe.train.steps == 20


def test_an_impossible_base_is_refused(tmp_path):
    for base in ('"over"', "3", '"dual_d_sleu"'):
        over = write(tmp_path / "over.toml", f"base = {base}")
        assert base.strip('"') in refusal(load_recipe, over)


def test_bases_in_a_circle_are_refused(tmp_path):
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    write(first, f"base = '{second}'")
    write(second, f"base = '{first}'")
    assert "base" in refusal(load_recipe, first)


# --set.


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ("gan.penalty_weight=5", "gan.penalty_weight", 5),
        ("gan.penalty=interpolates", "gan.penalty", "interpolates"),
        ("gan.penalty='interpolates'", "gan.penalty", "interpolates"),
        ("gan.simultaneous=true", "gan.simultaneous", True),
        ("gan.networks.generator.width=8", "gan.networks.generator.width", 8),
        ("gan.networks.generator={width = 8}", "gan.networks.generator.width", 8),
        ("optimizer.learning_rate=1e-3", "optimizer.learning_rate", 1e-3),
        ("optimizers.generator.name=sgd", "optimizers.generator.name", "sgd"),
        ("data.image_size=[16, 12]", "data.image_size", (16, 12)),
        ("data.split=train[:90%]", "data.split", "train[:90%]"),
        ("data.dataset=/pictures/a=b", "data.dataset", "/pictures/a=b"),
        ("train.steps=1_000", "train.steps", 1000),
        ("name=other", "name", "other"),
    ],
)
def test_set_changes_one_value(small_file, change, key, value):
    before, after = (flattened(load_recipe(small_file, changes).as_dict()) for changes in ((), (change,)))
    assert after.pop(key) == value
    before.pop(key, None)
    assert after == {k: before[k] for k in after}


def test_the_last_set_counts(small_file):
    assert load_recipe(small_file, ["train.steps=5", "train.steps=6"]).train.steps == 6


@pytest.mark.parametrize(
    ("change", "fragments"),
    [
        ("train.steps", ["--set='train.steps'", "section.key=value"]),
        ("=5", ["--set='=5'", "section.key=value"]),
        ("train..steps=5", ["--set='train..steps=5'", "section.key=value"]),
        (".steps=5", ["--set='.steps=5'", "section.key=value"]),
        ("variant.steps=5", ["--set='variant.steps=5'", "variant is a value"]),
        ("train.steps=[5", ["train.steps='[5'", "integer"]),
        ("train.steps=ten", ["train.steps='ten'", "integer"]),
        ("train.stepps=5", ["train.stepps", "did you mean 'steps'?"]),
        ("gan.penalty=interpolate", ["penalty='interpolate'", "did you mean 'interpolates'?"]),
        ("trian.steps=5", ["trian", "did you mean 'train'?"]),
    ],
)
def test_a_wrong_set_is_refused(small_file, change, fragments):
    message = refusal(load_recipe, small_file, [change])
    assert [fragment for fragment in fragments if fragment not in message] == []


# Values.


def test_merged_lays_nested_mappings_over_each_other():
    below = {"a": {"b": 1, "c": {"d": 2}}, "e": 3, "f": {"g": 4}}
    above = {"a": {"c": {"d": 5, "h": 6}}, "e": {"i": 7}, "f": 8}
    kept = json.dumps([below, above])
    assert merged(below, above) == {"a": {"b": 1, "c": {"d": 5, "h": 6}}, "e": {"i": 7}, "f": 8}
    assert json.dumps([below, above]) == kept


def test_flattened_joins_keys_with_dots():
    assert flattened({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": 1, "a.c.d": [2], "e": None}


def test_a_recipe_is_frozen():
    recipe = small()
    for part, field in ((recipe, "name"), (recipe.data, "dataset"), (recipe.train, "steps")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, field, getattr(part, field))


@pytest.mark.parametrize("name", ["dual_d_selu_digits", "dragan"])
def test_a_recipe_survives_the_way_through_json(name):
    recipe = load_recipe(name, ["data.image_size=[16, 12]", "optimizers.generator.learning_rate=1e-3"])
    values = json.loads(json.dumps(recipe.as_dict()))
    assert recipe_from(values, name) == recipe


def test_changing_the_plain_values_leaves_the_recipe_alone():
    recipe = small()
    recipe.as_dict()["gan"]["latent_dim"] = 4
    assert recipe.gan["latent_dim"] == 3


def test_players_share_the_optimizer_but_for_what_differs():
    recipe = small(optimizer={"name": "adam", "beta_1": 0.5}, optimizers={"generator": {"beta_1": 0.0}})
    assert recipe.optimizer_of("discriminator") == {"name": "adam", "beta_1": 0.5}
    assert recipe.optimizer_of("generator") == {"name": "adam", "beta_1": 0.0}


# Models.


def test_build_takes_a_variant_a_file_and_a_recipe(small_file):
    assert build("dual_d_selu").latent_dim == 128
    for recipe in (str(small_file), load_recipe(small_file)):
        gan = build(recipe)
        assert isinstance(gan, DualDSELU)
        assert gan.latent_dim == 3


def test_build_lays_settings_over_the_recipe():
    recipe = small(gan={"seed": 6, "networks": {"generator": {"width": 8, "depth": 1, "architecture": "mlp"}}})
    gan = build(recipe, latent_dim=7, networks={"generator": {"width": 9}, "discriminator": {"width": 5}})
    assert (gan.latent_dim, gan.seed, gan.image_shape) == (7, 6, (2,))
    assert gan.networks["generator"] == {"width": 9, "depth": 1, "architecture": "mlp"}
    assert gan.networks["discriminator"] == {"width": 5}
    assert gan.generator.layers[1].units == 9
    assert recipe.gan["networks"]["generator"]["width"] == 8


def test_build_refuses_unknown_names_and_settings():
    assert "did you mean 'dcgan'?" in refusal(build, "dcgn")
    assert "did you mean 'generator_objective'?" in refusal(build, "dual_d_selu", generator_objectiv="kl")


def test_optimizers_reach_the_model():
    gan = build(small(optimizer={"name": "RMSprop", "rho": 0.7}, optimizers={"generator": {"rho": 0.8}}))
    assert {player: o.rho for player, o in gan.optimizers.items()} == {
        "discriminator": 0.7,
        "second_discriminator": 0.7,
        "generator": 0.8,
    }
    assert all(isinstance(o, keras.optimizers.RMSprop) for o in gan.optimizers.values())
    assert len({id(o) for o in gan.optimizers.values()}) == 3


def test_a_schedule_reaches_the_optimizer_of_its_player():
    recipe = small(
        optimizer={"name": "sgd", "learning_rate": 0.25}, optimizers={"generator": {"learning_rate": COSINE}}
    )
    gan = build(recipe_from(json.loads(json.dumps(recipe.as_dict())), "small"))
    for step in (0, 25, 50, 100):
        for player_optimizer in gan.optimizers.values():
            player_optimizer.iterations.assign(step)
        rates = {player: float(o.learning_rate) for player, o in gan.optimizers.items()}
        np.testing.assert_allclose(rates["generator"], 0.5 * (1 + np.cos(np.pi * step / 100)) / 2, atol=1e-6)
        assert rates["discriminator"] == rates["second_discriminator"] == 0.25


def test_jit_compile_reaches_the_model():
    gan = build(small(train={"jit_compile": True, "deterministic": False}))
    assert gan.jit_compile
    assert not build(small()).jit_compile


@pytest.mark.parametrize("name", NAMES.values())
def test_every_optimizer_is_made_by_its_name_in_any_case(name):
    for spelt in (name, name.lower(), name.upper()):
        assert type(optimizer({"name": spelt, "learning_rate": 0.125})).__name__ == name
    assert float(optimizer({"name": name, "learning_rate": 0.125}).learning_rate) == 0.125


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_is_made_by_its_name(name):
    arguments = {
        "CosineDecay": {"initial_learning_rate": 0.5, "decay_steps": 10},
        "CosineDecayRestarts": {"initial_learning_rate": 0.5, "first_decay_steps": 10},
        "ExponentialDecay": {"initial_learning_rate": 0.5, "decay_steps": 10, "decay_rate": 0.5},
        "InverseTimeDecay": {"initial_learning_rate": 0.5, "decay_steps": 10, "decay_rate": 0.5},
        "PiecewiseConstantDecay": {"boundaries": [5], "values": [0.5, 0.1]},
        "PolynomialDecay": {"initial_learning_rate": 0.5, "decay_steps": 10},
    }
    made = schedule({"schedule": name, **arguments[name]})
    assert type(made).__name__ == name
    assert float(made(0)) == 0.5
    assert float(made(8)) < 0.5


def test_settings_are_in_the_constructors_signature():
    assert {"prior", "penalty", "latent_dim", "seed"} <= set(GAN.__signature__.parameters)
