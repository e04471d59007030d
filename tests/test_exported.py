import numpy as np

from ganzoo.exported import open_generator


def test_examples_follow_seed_and_index_untruncated_at_any_batch_size(ring, export_ring):
    points = ring.sample(50, 0)
    generator = open_generator(export_ring(points))
    for batch_size in (1, 7, 64):
        np.testing.assert_array_equal(generator.sample(20, 5, batch_size), points[5:25])


def test_the_newest_version_is_taken(ring, export_ring):
    for number in (9, 10):
        folder = export_ring(ring.sample(5, 0), version=number, step=number)
    (folder.parent / "11").mkdir()  # a version that is still being written
    assert open_generator(folder.parent).manifest.step == 10
    assert open_generator(folder.parent / "9").manifest.step == 9
