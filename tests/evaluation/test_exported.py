import numpy as np

from ganzoo.exported import open_generator


def test_examples_follow_seed_and_index_untruncated_however_many(ring, export_ring):
    points = ring.sample(200, 0)
    generator = open_generator(export_ring(points))
    for n in (1, 7, 64, 150):
        np.testing.assert_array_equal(generator.sample(n, 5), points[5 : 5 + n])


def test_the_newest_version_is_taken(ring, export_ring):
    for number in (9, 10):
        folder = export_ring(ring.sample(5, 0), version=number, step=number)
    (folder.parent / "11").mkdir()  # a version that is still being written
    assert open_generator(folder.parent).manifest.step == 10
    assert open_generator(folder.parent / "9").manifest.step == 9
