"""The page of the development server, in a browser."""

import base64
import io
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from standins import eventually, write_halves

import ganzoo
from ganzoo.serving.standin import Server

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here (Debian: apt install chromium)")
ROOT = Path(__file__).parent.parent.parent
FRAMES = 24  # of a walk


@pytest.fixture(scope="module")
def gan(build_tiny, scattered):
    """Returns a model of 8x8 colour images."""
    return scattered(build_tiny("dcgan", image_shape=(8, 8, 3)))


@pytest.fixture(scope="module")
def models(gan, build_tiny, scattered, tmp_path_factory):
    """Returns a models.config with a model of images, which has a score record, and one of points."""
    folder = tmp_path_factory.mktemp("served")
    ganzoo.export(gan, folder / "images")
    ganzoo.export(scattered(build_tiny("dcgan", image_shape=(2,), prior="normal")), folder / "points")
    (record,) = (ROOT / "saved_models" / "dual_d_selu_digits").glob("1.*.json")
    shutil.copy(record, folder / "images")
    (folder / "images" / "1.5k_test.broken.json").write_text("{")
    (folder / "images" / "1.list.json").write_text("[1]")
    (folder / "images" / "1.note.json").write_text('{"note": "not a score"}')
    record = '{"scores": [{"metric": "fid", "value": null}, {"metric": "class_share_0", "value": null}]}'
    (folder / "points" / "1.empty.json").write_text(record)
    write_halves(folder / "foreign", 1)
    (folder / "foreign/1/assets.extra").mkdir()
    (folder / "foreign/1/assets.extra/ganzoo.json").write_text('{"variant": "not ours"}')
    entries = [
        f'config {{ name: "{name}" base_path: "{folder / name}" model_platform: "tensorflow" }}'
        for name in ("foreign", "images", "points")
    ]
    (folder / "models.config").write_text(f"model_config_list {{ {' '.join(entries)} }}")
    return folder / "models.config"


@pytest.fixture(scope="module")
def server(models):
    with Server(model_config_file=models) as server:
        yield server


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server):
    """Returns the page, with its samples; fails if a script does, or if it asks another host."""
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    page.errors, page.hosts = [], set()
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("request", lambda request: page.hosts.add(request.url.split("/")[2]))
    page.goto(f"http://127.0.0.1:{server.rest_port}/#model=images")
    settled(page, 64)
    yield page
    page.close()
    assert page.errors == []
    assert page.hosts <= {f"127.0.0.1:{server.rest_port}", ""}  # data: URLs have no host


def until(page, condition, argument=None, seconds=30):
    """Waits for a condition; Playwright's own wait is forbidden by the page's security policy."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition, argument):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(20)


def settled(page, count, seed=0):
    """Waits until so many samples of a seed are shown."""
    until(page, f"find('status').textContent.startsWith('{count} samples of seed {seed} ')")


def shown(page):
    """Returns the images of the grid, uint8 [N, H, W, C]."""
    sources = page.eval_on_selector_all("#grid img", "images => images.map((image) => image.src)")
    files = [base64.b64decode(source.removeprefix("data:image/png;base64,")) for source in sources]
    return np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])


def frame(page):
    """Returns the picture of the walk, uint8 [H, W, 3]."""
    until(page, "state.walk.length")
    height, width, data = page.evaluate(
        "() => { const c = find('frame'); return [c.height, c.width,"
        " [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]; }"
    )
    return np.array(data, np.uint8).reshape(height, width, 4)[..., :3]


def slide(page, selector, value):
    page.eval_on_selector(selector, f"e => {{ e.value = {value}; e.dispatchEvent(new Event('input')); }}")


def near(ours, theirs):
    """Returns whether images are alike up to a level of rounding, which other batch sizes cause."""
    return abs(ours.astype(int) - theirs.astype(int)).max() <= 1


def test_the_grid_has_the_images_of_its_seed(page, gan):
    np.testing.assert_array_equal(shown(page), gan.generate(64))
    page.fill("#seed", "12")
    settled(page, 64, 12)
    np.testing.assert_array_equal(shown(page), gan.generate(64, 12))
    assert page.get_attribute("#grid img:nth-child(6)", "alt") == "image 5 of seed 12"
    page.select_option("#count", "16")
    settled(page, 16, 12)
    assert near(shown(page), gan.generate(16, 12))


def test_truncation_is_that_of_the_slider(page, gan):
    assert page.inner_text("#cut") == "none"
    first = page.get_attribute("#grid img", "src")
    slide(page, "#truncation", 0.25)  # of a uniform prior
    until(page, "first => find('grid').firstChild.src !== first", first)
    assert page.inner_text("#cut") == "0.25"
    np.testing.assert_array_equal(shown(page), gan.generate(64, truncation=0.25))


def test_another_seed_is_another(page, gan):
    page.click("#another")
    until(page, "!find('status').textContent.includes('seed 0 ')")
    assert int(page.input_value("#seed")) > 0
    np.testing.assert_array_equal(shown(page), gan.generate(64, int(page.input_value("#seed"))))


def test_a_walk_leads_from_one_seed_to_the_other(page, gan):
    assert near(frame(page), gan.generate(1, 0)[0])
    slide(page, "#fraction", FRAMES - 1)
    assert page.inner_text("#at") == "100 %"
    assert near(frame(page), gan.generate(1, 1)[0])
    page.evaluate("state.walk = []")
    page.fill("#to", "5")
    assert near(frame(page), gan.generate(1, 5)[0])
    assert page.locator("#film canvas").count() == 8
    page.click("#play")
    until(page, "find('at').textContent !== '100 %'")
    page.click("#play")
    assert page.inner_text("#play") == "Play"


def test_the_score_record_is_beside_it(page):
    rows = [row.split("\t") for row in page.inner_text("#scores table").splitlines()]
    assert ["classifier_score", "8.585", "9.771"] in rows
    assert ["class_shares", "0.0906 to 0.112", ""] in rows
    assert "last checkpoint; step 1600; digits, split test; scored by digits_16x16x1" in page.inner_text(
        "#scores caption"
    )
    assert page.locator("#scores table").count() == 1


def test_points_are_a_scatter(page):
    page.select_option("#model", "points")
    settled(page, 640)
    drawn = page.evaluate("() => find('scatter').getContext('2d').getImageData(0, 0, 576, 576).data.some(Boolean)")
    assert drawn
    assert not page.is_visible("#grid")
    assert not page.is_visible("#way")
    assert ["fid", "none", ""] in [row.split("\t") for row in page.inner_text("#scores table").splitlines()]
    page.select_option("#count", "144")  # more rows than the server takes in one request
    settled(page, 1440)


def test_no_request_is_larger_than_a_batch(page, gan):
    asked = []
    page.on("request", lambda request: asked.append(len(request.post_data_json["instances"])))
    page.select_option("#count", "144")
    settled(page, 144)
    assert asked == [64, 64, 16]
    assert near(shown(page), gan.generate(144))


def test_a_model_that_ganzoo_did_not_export(page):
    page.select_option("#model", "foreign")
    assert page.inner_text("#lacking") == "This model has no signature sample_png, no interpolate."
    assert "not exported by ganzoo" in page.inner_text("#about")
    assert page.locator("#grid img").count() == 0  # those of the model before
    assert not page.is_visible("#drawn")
    assert not page.is_visible("#way")
    page.select_option("#model", "images")
    settled(page, 64)
    assert page.inner_text("#lacking") == ""
    assert page.is_visible("#way")


def test_a_new_version_takes_the_place_of_the_old_one(page, build_tiny, scattered, models, server):
    asked = []
    page.route("**/v1/models/**", lambda route: asked.append(route.request.url) or route.continue_())
    later = scattered(build_tiny("dcgan", image_shape=(2,), prior="normal"))
    page.select_option("#model", "points")
    settled(page, 640)
    ganzoo.export(later, models.parent / "points")
    eventually(lambda: [each.number for each in server._models.available()["points"]] == [2])
    page.fill("#seed", "4")
    settled(page, 640, 4)
    assert "version 2" in page.inner_text("#about")
    assert [url.split("/versions/")[1][0] for url in asked[-11:]] == ["1", *["2"] * 10]


def test_the_address_says_what_is_shown(page, browser, gan):
    page.fill("#seed", "3")
    settled(page, 64, 3)
    again = browser.new_page()
    again.goto(page.url)
    settled(again, 64, 3)
    np.testing.assert_array_equal(shown(again), gan.generate(64, 3))
    again.close()


def test_what_the_server_refuses_is_said(page, server):
    page.route(
        "**/v1/models/**", lambda route: route.continue_(url=route.request.url.replace("/versions/1", "/versions/9"))
    )
    page.click("#another")
    page.wait_for_selector("#status.error")
    assert page.inner_text("#status") == "Servable not found for request: Specific(images, 9)"


def test_a_narrow_screen_scrolls_down_alone(browser, server):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"http://127.0.0.1:{server.rest_port}/#model=images")
    settled(page, 64)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
