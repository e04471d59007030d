import dataclasses
import json
from importlib.metadata import version

import numpy as np
import pytest
from PIL import Image

import ganzoo
from ganzoo import data
from ganzoo.errors import InputError
from ganzoo.evaluation import classifier_for, compare, evaluate, load_record, record_path, remarks, save_record, table
from ganzoo.evaluation.evaluators import StackedClassifier

CLASSIFIER = "digits_16x16x1"


def values(record):
    return {score.metric: score.value for score in record.scores}


class TestImages:
    def test_a_generator_of_training_images_is_found_out(self, digits, export, tmp_path):
        train, test = digits
        path = tmp_path / "record.json"
        record = evaluate(export(train.images), samples=500, records_path=path)
        assert load_record(path) == record
        scores = values(record)
        assert scores["share_nearer_than_real_p01"] == 1.0
        assert [scores[f"nearest_train_distance_p{p}"] for p in ("01", "05", "25", "50")] == [0.0] * 4
        floats = [x.images.astype("float64").reshape(len(x.images), -1) / 127.5 - 1 for x in (test, train)]
        distances = np.sqrt(((floats[0][:, None] - floats[1][None]) ** 2).mean(axis=2).min(axis=1))
        for percent in (1, 5, 25, 50):
            expected = np.percentile(distances, percent)
            assert scores[f"real_nearest_train_distance_p{percent:02}"] == pytest.approx(expected, rel=1e-9)
        # They are real images and get what real images get, but for chance and the classifier's training.
        assert scores[f"classifier_score_ratio/{CLASSIFIER}"] == pytest.approx(1.0, abs=0.1)
        floor = scores[f"real_fid/{CLASSIFIER}"]
        assert scores[f"fid/{CLASSIFIER}"] == pytest.approx(floor, rel=0.5)

    def test_held_out_images_are_not_taken_for_copies(self, digits, export):
        scores = values(evaluate(export(digits[1].images), samples=360))
        assert scores["share_nearer_than_real_p01"] == pytest.approx(0.01, abs=0.005)
        assert scores[f"fid/{CLASSIFIER}"] == pytest.approx(0.0, abs=1e-8)
        assert scores[f"classifier_score_ratio/{CLASSIFIER}"] == pytest.approx(1.0)

    def test_a_generator_of_one_digit(self, digits, export):
        train, _ = digits
        scores = values(evaluate(export(train.images[train.labels == 3][:40]), samples=200))
        assert scores[f"class_share_3/{CLASSIFIER}"] > 0.97
        assert sum(scores[f"class_share_{k}/{CLASSIFIER}"] for k in range(10)) == pytest.approx(1.0)
        assert scores[f"classifier_score/{CLASSIFIER}"] < 1.3
        assert scores[f"real_classifier_score/{CLASSIFIER}"] > 7.0
        floor = scores[f"real_fid/{CLASSIFIER}"]
        assert scores[f"fid/{CLASSIFIER}"] > 10 * floor

    def test_conditions(self, digits, export):
        record = evaluate(export(digits[0].images, checkpoint="best"), samples=100, seed=4)
        classifier = classifier_for("digits", (16, 16, 1))
        assert (record.recipe, record.variant, record.step) == ("dcgan_digits", "dcgan", 300)
        assert (record.checkpoint, record.averaged, record.training_seed) == ("best", False, 7)
        assert (record.dataset, record.split, record.train_split, record.seed) == (
            "digits",
            "test",
            "train",
            4,
        )
        assert record.evaluator == classifier.name
        assert record.evaluator_hash == classifier.weights_hash
        assert record.evaluator_accuracy == classifier.accuracy
        assert record.preparation["rounding"] == "uint8"
        assert "16x16x1" in record.preparation["resizing"]
        assert record.versions == {n: version(n) for n in ("ganzoo", "tensorflow", "keras", "numpy")}
        assert record.created.utcoffset().total_seconds() == 0
        counts = {score.metric: (score.generated, score.real) for score in record.scores}
        assert counts[f"fid/{CLASSIFIER}"] == (100, 360)
        assert counts[f"real_fid/{CLASSIFIER}"] == (0, 460)
        assert counts["nearest_train_distance_p50"] == (100, 1437)
        assert not any("inception" in name for name in counts)

    @pytest.mark.parametrize("data_split", ["test", "train+test"])
    def test_the_split_of_training_is_named(self, digits, export, data_split):
        record = evaluate(export(digits[0].images, data_split=data_split), samples=50, train_split=None)
        assert record.trained_on == data_split
        assert record.train_split is None
        assert any("trained on" in line for line in remarks([record]))
        assert not any("real_fid" in score.metric or "nearest" in score.metric for score in record.scores)

    def test_a_record_lies_beside_its_version(self, digits, export):
        model = export(digits[0].images, version=12)
        record = evaluate(model, samples=40)
        assert record_path(model, record) == model.parent / f"12.40_test.{CLASSIFIER}.json"
        assert record_path(model.parent, record) == record_path(model, record)

    def test_a_record_is_written_over_by_its_like_alone(self, digits, export):
        model = export(digits[0].images, version=12)
        record = evaluate(model, samples=40, metrics=["modes"])
        path = record_path(model, record)
        save_record(record, path)
        again = evaluate(model, samples=40, metrics=["modes"])
        assert record_path(model, again) == path
        for other in ({"seed": 1, "metrics": ["modes"]}, {"metrics": ["modes", "kid"]}):
            assert record_path(model, evaluate(model, samples=40, **other)) == path.with_name(f"{path.stem}-2.json")

    def test_other_counts_do_not_compare(self, digits, export):
        model = export(digits[0].images)
        first, second = (evaluate(model, samples=count) for count in (50, 60))
        with pytest.raises(InputError, match=r"50 generated, 360 real and 60 generated, 360 real"):
            compare(first, second)

    def test_without_labels_there_is_no_classifier(self, digits, export, monkeypatch):
        splits = dict(zip(("train", "test"), digits, strict=True))
        load = lambda _, split, **options: dataclasses.replace(splits[split], labels=None)  # noqa: E731
        monkeypatch.setattr(data, "load", load)
        record = evaluate(export(digits[0].images), samples=20)
        assert record.evaluator is None
        assert "share_nearer_than_real_p01" in values(record)
        assert not any("/" in metric for metric in values(record))


class TestPoints:
    def test_real_points(self, ring, export_ring):
        scores = values(evaluate(export_ring(ring.sample(4000, 9)), samples=4000))
        assert scores["modes_covered"] == scores["real_modes_covered"] == 8
        assert scores["high_quality_share"] == pytest.approx(1 - np.exp(-4.5), abs=0.01)
        assert scores["reverse_kl"] == pytest.approx(0.0, abs=0.01)
        assert scores["frechet_distance/points"] < 0.02

    def test_three_modes_of_eight_and_a_few_lost_points(self, ring, export_ring):
        points = np.repeat(ring.modes[:3], [50, 25, 25], axis=0)
        points[-10:] += 0.5
        record = evaluate(export_ring(points), samples=100)
        scores = values(record)
        assert scores["modes_covered"] == 3
        assert scores["high_quality_share"] == 0.9
        nearest = np.linalg.norm(points[:, None] - ring.modes[None], axis=2).argmin(axis=1)
        shares = np.bincount(nearest, minlength=8) / 100
        entropy = -sum(share * np.log(share) for share in shares if share)
        assert scores["reverse_kl"] == pytest.approx(np.log(8) - entropy)
        assert record.evaluator is None
        assert record.dataset == "ring8"

    def test_a_density_without_modes(self, export):
        roll = data.load("swiss_roll", "train")
        model = export(roll.sample(500, 3), dataset="swiss_roll", image_shape=[2])
        assert set(values(evaluate(model, samples=500))) == {
            "frechet_distance/points",
            "real_frechet_distance/points",
        }

    def test_diverged_points_are_refused(self, export_ring):
        with pytest.raises(InputError, match="64 of 64 examples of model/1 are not finite"):
            evaluate(export_ring(np.full((4, 2), np.nan, "float32")), samples=100)

    def test_a_model_of_no_recipe(self, ring, export):
        about = {"variant": "dcgan", "image_shape": [2], "latent_dim": 8, "step": 5, "seed": 0, "averaged": True}
        model = export(ring.sample(50, 0), manifest=json.dumps(about))
        with pytest.raises(InputError, match="names no data set"):
            evaluate(model)
        record = evaluate(model, "ring8", samples=20)
        assert (record.recipe, record.checkpoint, record.dataset) == (None, "last", "ring8")
        assert "| model | dcgan |" in table([record])


class TestRefusals:
    def test_no_saved_model(self, tmp_path):
        for path in (tmp_path, tmp_path / "absent"):
            with pytest.raises(InputError, match="is no SavedModel and has no versions"):
                evaluate(path)

    def test_no_sample_signature(self, ring, export_ring):
        model = export_ring(ring.sample(5, 0), signature="serving_default")
        with pytest.raises(InputError, match=r"no signature 'sample', only \['serving_default'\]"):
            evaluate(model)

    def test_no_manifest(self, ring, export_ring):
        model = export_ring(ring.sample(5, 0))
        (model / "assets.extra" / "ganzoo.json").unlink()
        with pytest.raises(InputError, match=r"was not exported by ganzoo, and of its signatures \['sample'\] none"):
            evaluate(model)

    @pytest.mark.parametrize(
        ("manifest", "message"),
        [("{", "is not JSON"), (json.dumps({"variant": "dcgan"}), "image_shape: missing")],
    )
    def test_a_manifest_that_is_none(self, ring, export_ring, manifest, message):
        with pytest.raises(InputError, match=message):
            evaluate(export_ring(ring.sample(5, 0), manifest=manifest))

    def test_a_manifest_that_contradicts_the_model(self, digits, export):
        model = export(digits[0].images, image_shape=[8, 8, 1])
        with pytest.raises(InputError, match=r"gives uint8 of shape \(16, 16, 1\) and says uint8 of \(8, 8, 1\)"):
            evaluate(model, samples=5)

    @pytest.mark.parametrize("dataset", ["gaussians1d", "digits"])
    def test_points_on_other_data(self, ring, export_ring, dataset):
        with pytest.raises(InputError, match=rf"shape \(2,\) and '{dataset}' holds"):
            evaluate(export_ring(ring.sample(5, 0)), dataset)

    def test_images_on_a_density(self, digits, export):
        with pytest.raises(InputError, match="ring8"):
            evaluate(export(digits[0].images), "ring8")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"metrics": ["fidd"]}, "metric 'fidd' is unknown; did you mean 'fid'"),
            ({"metrics": "fid"}, r"give a list of names, \['fid'\]"),
            ({"evaluator": "inceptoin"}, "did you mean 'inception'"),
            ({"engine": "tfgann"}, "did you mean 'tfgan'"),
        ],
    )
    def test_misspelt_names_are_refused_before_anything_is_read(self, tmp_path, options, message):
        with pytest.raises(InputError, match=message):
            evaluate(tmp_path / "absent", **options)

    def test_only_inception_gives_an_inception_score(self, digits, export):
        with pytest.raises(InputError, match="digits_16x16x1 is not the Inception network; ask for classifier_score"):
            evaluate(export(digits[0].images), metrics=["inception_score"], evaluator="classifier")

    def test_nothing_to_score_by(self, digits, export, monkeypatch):
        load = lambda *_, **options: dataclasses.replace(digits[1], labels=None)  # noqa: E731
        monkeypatch.setattr(data, "load", load)
        with pytest.raises(InputError, match="has no labels to score by and no train_split"):
            evaluate(export(digits[0].images), samples=20, train_split=None)

    def test_copies_are_looked_for_in_another_split_only(self, digits, export):
        with pytest.raises(InputError, match="give a split and a train_split that differ"):
            evaluate(export(digits[0].images), samples=20, train_split="test", metrics=["memorisation"])

    @pytest.mark.parametrize("train_split", ["train", "train[80%:]"])
    def test_splits_that_overlap_are_refused(self, digits, export, train_split):
        with pytest.raises(InputError, match=r"holds (100|1\d|[2-9]\d)% of the images of split .train.70%:.."):
            evaluate(export(digits[0].images), samples=20, split="train[70%:]", train_split=train_split)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"metrics": []}, "metrics: none is named"),
            ({"seed": -1}, "seed=-1: give 0 or more"),
            ({"resizing": "bicubik"}, "did you mean 'bicubic'"),
            ({"evaluator": "classifier", "inception_path": "x"}, "asks no Inception network"),
        ],
    )
    def test_options_without_sense_are_refused_at_once(self, tmp_path, options, message):
        with pytest.raises(InputError, match=message):
            evaluate(tmp_path / "absent", **options)

    def test_points_have_metrics_of_their_own(self, ring, export_ring):
        with pytest.raises(InputError, match="leave out metrics"):
            evaluate(export_ring(ring.sample(50, 0)), metrics=["fid"])

    def test_too_few(self, tmp_path):
        with pytest.raises(InputError, match="samples=1: a score needs at least 2"):
            evaluate(tmp_path, samples=1)


class TestWhateverGivesImages:
    METRICS = ("classifier_score", "fid", "kid", "precision_recall", "density_coverage", "modes", "ms_ssim")

    def test_one_generator_by_every_road(self, tmp_path):
        networks = {"generator": {"width": 4}, "discriminator": {"width": 4}}
        gan = ganzoo.build("dcgan", image_shape=(16, 16, 1), latent_dim=4, networks=networks)
        images = gan.generate(150, seed=2)
        (tmp_path / "folder").mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image[..., 0]).save(tmp_path / "folder" / f"{number:03}.png")
        np.savez(tmp_path / "images.npz", images)
        roads = {
            "saved_model": ganzoo.export(gan, tmp_path / "saved"), "keras_model": gan, "folder": tmp_path / "folder",
            "npz": tmp_path / "images.npz", "array": images,
        }  # fmt: skip
        options = {"samples": 150, "seed": 2, "metrics": [name for name in self.METRICS if name != "ms_ssim"]}
        records = {kind: ganzoo.evaluate(road, "digits", **options) for kind, road in roads.items()}
        first = values(records["keras_model"])
        for kind, record in records.items():
            assert record.source == kind
            assert values(record) == pytest.approx(first, rel=1e-9, abs=1e-9), kind

    def test_real_splits_against_each_other(self):
        record = evaluate("digits@test", split="train", train_split=None, metrics=self.METRICS[:-1])
        back = evaluate("digits@train", split="test", train_split=None, metrics=self.METRICS[:-1])
        ours, theirs = values(record), values(back)
        network = record.evaluator
        assert network == "digits_8x8x1"
        assert ours[f"fid/{network}"] == pytest.approx(theirs[f"fid/{network}"], rel=1e-6)
        assert ours[f"precision/{network}"] == pytest.approx(theirs[f"recall/{network}"])
        assert ours[f"classes_reached/{network}"] == 10
        assert (record.source, record.name, record.variant) == ("data", "digits@test", None)

    def test_one_image_over_and_over(self):
        record = evaluate(
            np.full((120, 16, 16, 1), 90, np.uint8), "digits", metrics=[*self.METRICS, "mode_score", "parzen"]
        )
        scores = {name.partition("/")[0]: value for name, value in values(record).items()}
        assert scores["classifier_score"] == pytest.approx(1.0)
        assert scores["classes_reached"] == 1
        assert scores["class_kl"] == pytest.approx(np.log(10))
        assert scores["recall"] == 0.0
        assert scores["fid"] > 50 * scores["real_fid"]
        assert scores["ms_ssim_1_scales"] == pytest.approx(1.0)

    def test_tf_gan_s_own_arithmetic(self, digits):
        options = {"samples": 200, "metrics": ["classifier_score", "fid", "kid"]}
        ours, theirs = (evaluate(digits[0], "digits", engine=engine, **options) for engine in ("ganzoo", "tfgan"))
        # float64 of TF-GAN and of NumPy: their roots of a covariance of less than full rank differ.
        assert values(theirs) == pytest.approx(values(ours), rel=1e-5, abs=1e-6)
        assert [score.metric for score in theirs.scores] == [score.metric for score in ours.scores]
        with pytest.raises(InputError, match="engine: 'ganzoo' and 'tfgan'"):
            compare(ours, theirs)

    def test_stacked_digits_are_read_channel_by_channel(self, digits):
        _, test = digits
        network = StackedClassifier(classifier_for("digits", (16, 16, 1)))
        rows = np.arange(60).reshape(20, 3)
        images = np.concatenate([test.images[rows[:, c]] for c in range(3)], axis=-1)
        logits, features = network.predict(images)
        assert logits.shape == (20, 1000)
        assert features.shape[1] == 3 * network.digit.predict(test.images[:2])[1].shape[1]
        expected = (test.labels[rows] * [100, 10, 1]).sum(axis=1)
        assert np.mean(logits.argmax(axis=1) == expected) > 0.9
        np.testing.assert_allclose(np.exp(logits.astype("float64")).sum(axis=1), 1.0, rtol=1e-4)
