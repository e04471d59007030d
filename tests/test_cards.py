import re

import pytest

import ganzoo
from ganzoo import cards
from ganzoo.errors import InputError


@pytest.fixture(params=ganzoo.list_models())
def name(request):
    return request.param


def test_every_card_is_whole(name):
    card = ganzoo.spec(name)
    for title in ("What it changes", "Equations", "Logged", "Defaults here", "In the paper", "Deviation", "Source"):
        assert re.search(rf"^{title}\n\n  \S", card, re.MULTILINE), title
    assert max(map(len, card.splitlines())) <= 122
    assert not re.search(r"[ \t]$", card, re.MULTILINE)


def test_every_paper_has_authors_a_year_and_a_link(name):
    authors, year, link = cards.paper(name)
    assert 1 < len(authors) < 60
    assert 2013 < year < 2027
    assert link.startswith("https://")


def test_the_card_says_what_the_class_and_the_recipe_say():
    card = ganzoo.spec("dragan")
    for line in (
        "penalty = 'author_noise'",
        "networks.discriminator = {'architecture': 'dcgan', 'normalized': False}",
        "recipe: optimizer.learning_rate = 0.0001",
        "recipe: cifar10, batch 64, 100,000 rounds",
        "G: E_z sp(-a(G))",
    ):
        assert f"\n  {line}\n" in card
    assert "penalty_form = " not in card  # as in GAN


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match="variant 'dragn' is unknown; did you mean 'dragan'"):
        ganzoo.spec("dragn")


def test_the_cost_of_a_round_is_a_measured_figure_or_said_to_be_missing(monkeypatch):
    monkeypatch.setattr(cards, "costs", lambda: {"dragan": 1.234})
    assert cards.cost("dragan") == "1.2"
    assert cards.cost("dcgan") == "not measured"


def test_every_row_of_the_table_has_its_columns():
    rows = [row for row in cards.table().splitlines() if row.startswith("|")]
    assert len(rows) == 2 + len(ganzoo.list_models())
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}
