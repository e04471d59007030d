"""What is measured under load: that nothing is lost or mixed up is seen where it happens."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import models
import numpy as np
import pytest

import ganzoo
from ganzoo.errors import InputError, ServingError
from ganzoo.exported import open_generator
from ganzoo.serving import Client, load

ROOT = Path(__file__).parent.parent.parent
SEEDS = 16


@pytest.fixture(scope="module")
def generator(written):
    return open_generator(written / models.NAME)


def test_all_roads_are_measured(standin, generator):
    served = load.Served(models.NAME, f"127.0.0.1:{standin.grpc_port}", standin.rest, standin.pid)
    measured = list(load.load(generator, served, seconds=0.3, clients=[1, 3]))
    assert [(each.rows, each.clients, each.road) for each in measured] == [
        (rows, clients, road) for rows in (1, 64) for clients in (1, 3) for road in load.ROADS
    ]
    for each in measured:
        assert each.answers >= each.clients
        assert (each.failed, each.wrong, each.off_by_one) == (0, 0, 0.0)
        assert 0 < each.median_ms <= each.p95_ms <= each.p99_ms
        assert each.images_per_second > 0
        assert min(each.mb_before, each.mb_after) > 50  # TensorFlow alone is more
    lines = load.table(measured).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 2 + len(measured)


def due():
    return [np.full((2, 4, 4, 1), 10 * seed, np.int16) for seed in range(SEEDS)]


def measured_of(ask):
    return load._measured("gRPC", 2, due(), 0.05, lambda: contextlib.nullcontext(ask), os.getpid())


def test_an_answer_to_another_is_seen():
    figures = measured_of(lambda seed: due()[(seed + 1) % SEEDS].astype(np.uint8))
    assert figures.wrong == figures.answers > 0


def test_one_row_of_another_is_seen():
    def ask(seed):
        images = due()[seed].astype(np.uint8)
        images[1] = 10 * ((seed + 1) % SEEDS)
        return images

    figures = measured_of(ask)
    assert figures.wrong == figures.answers > 0


def test_a_row_too_few_is_seen():
    figures = measured_of(lambda seed: due()[seed][:1].astype(np.uint8))
    assert figures.wrong == figures.answers > 0


def test_a_level_is_rounding():
    def ask(seed):
        images = due()[seed].astype(np.uint8)
        images[0, 0, 0, 0] += 1
        return images

    figures = measured_of(ask)
    assert figures.wrong == 0
    assert figures.off_by_one == pytest.approx(1 / 32)


def test_what_fails_is_counted():
    def ask(seed):
        if seed % 2:
            raise ServingError("UNAVAILABLE", "not now", "here")
        return due()[seed].astype(np.uint8)

    figures = measured_of(ask)
    assert abs(figures.failed - figures.answers) <= 2
    assert figures.wrong == 0


def test_a_mistake_of_ours_ends_it():
    """And does not leave the other clients waiting for the one that broke."""
    with pytest.raises(KeyError, match="images"):
        measured_of(lambda seed: {}["images"])


def test_images_that_are_alike_prove_nothing(tmp_path):
    game = ganzoo.build(
        "dcgan",
        image_shape=(8, 8, 1),
        latent_dim=4,
        networks={"generator": {"width": 2}, "discriminator": {"width": 2}},
    )
    for weight in game.averaged_generator.weights:
        weight.assign(weight * 0)
    path = ganzoo.export(game, tmp_path / "grey", warm_up=False)
    with pytest.raises(InputError, match="draws the same image for different seeds"):
        next(load.load(open_generator(path), load.Served("grey", "h:1", "http://h:1")))


def test_points_are_not_measured(written):
    with pytest.raises(InputError, match="has no signature 'sample_png'"):
        next(load.load(open_generator(written / models.POINTS), load.Served("points", "h:1", "http://h:1")))


def test_memory_of_a_process_that_is_gone():
    assert load.resident_mb(None) is None
    assert load.resident_mb(2**30) is None
    assert load.resident_mb(os.getpid()) > 50


def test_a_server_that_does_not_start(written, monkeypatch):
    monkeypatch.setattr(load.sys, "executable", "/bin/false")
    with (
        pytest.raises(InputError, match="the development server did not start"),
        load.stand_in(written / models.NAME / "1"),
    ):
        pass


@pytest.mark.long
def test_a_model_whose_folder_is_no_number_is_served(written, tmp_path):
    (tmp_path / "best").symlink_to(written / models.NAME / "1")
    with load.stand_in(tmp_path / "best") as served, Client(served.grpc, served.model) as client:
        assert client.metadata().version == 1


def test_signature_and_keras_take_turns(generator, gans):
    assert 0.1 < load.signature_over_keras(generator, gans[2].averaged_generator, repeats=3) < 10


def run(*flags, folder):
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "benchmark.py"), *flags],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.long
def test_the_tool(written, tmp_path):
    flags = [f"--model={written / models.NAME}", "--seconds=0.2", "--clients=2", "--output=load.json"]
    done = run("--serving", *flags, folder=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("| gRPC | 2 |") == 2
    said = json.loads((tmp_path / "load.json").read_text())
    assert [each["wrong"] for each in said["measured"]] == [0] * 6


@pytest.mark.long
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "give --recipe=, to measure its rounds, or --serving"),
        (["--serving", "--clients=1,x"], "clients=1,x: give whole numbers above 0"),
    ],
)
def test_the_tool_says_what_cannot_be_measured(flags, said, tmp_path):
    done = run(*flags, folder=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert said in done.stderr
