"""Loading a page: what is an image, what is not, and in which words it is refused."""

import numpy as np
import pytest
from PIL import Image

from quintet.errors import DataError
from quintet_systems.digits.page import load_page, save_page

PAGE = np.full((40, 60, 3), (250, 240, 230), np.uint8)
PAGE[10:30, 20:24] = (20, 30, 80)


def refused(path, **limits) -> str:
    with pytest.raises(DataError) as error:
        load_page(path, **limits)
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_what_was_saved_is_loaded(tmp_path):
    save_page(tmp_path / "page.png", PAGE)
    assert np.array_equal(load_page(tmp_path / "page.png"), PAGE)
    save_page(tmp_path / "page.jpg", PAGE)
    assert np.abs(load_page(tmp_path / "page.jpg").astype(int) - PAGE).mean() < 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.jpg", "page.png"]  # no temporary file is left


def test_the_cameras_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter: the camera was held upright
    Image.fromarray(PAGE).save(tmp_path / "photo.png", exif=exif)
    assert np.array_equal(load_page(tmp_path / "photo.png"), np.rot90(PAGE, -1))


def test_transparency_is_white_paper(tmp_path):
    ink = np.zeros((20, 20, 4), np.uint8)
    ink[5:15, 9:11, 3] = 255
    Image.fromarray(ink).save(tmp_path / "drawn.png")
    page = load_page(tmp_path / "drawn.png")
    assert page[0, 0].tolist() == [255, 255, 255]
    assert page[10, 10].tolist() == [0, 0, 0]


@pytest.mark.parametrize("grey", [np.uint8, np.uint16])
def test_grey_scans_of_8_and_16_bits_are_scaled_not_clipped(tmp_path, grey):
    top = np.iinfo(grey).max
    scan = np.full((20, 20), top, grey)
    scan[5] = top // 2
    Image.fromarray(scan).save(tmp_path / "scan.png")
    page = load_page(tmp_path / "scan.png")
    assert page.shape == (20, 20, 3)
    assert page[0, 0, 0] == 255
    assert abs(int(page[5, 5, 0]) - 127) <= 1


def test_what_is_no_image_is_refused(tmp_path):
    text = tmp_path / "text.png"
    text.write_text("not an image")
    assert "not an image" in refused(text)
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert "not an image" in refused(tmp_path / "empty.jpg")
    assert "cannot be read" in refused(tmp_path / "gone.png")
    assert "cannot be read" in refused(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_an_image_cut_off_is_refused_not_half_read(tmp_path, suffix, share):
    whole = tmp_path / f"whole{suffix}"
    save_page(whole, np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8))
    cut = tmp_path / f"cut{suffix}"
    content = whole.read_bytes()
    cut.write_bytes(content[: int(share * len(content))])
    assert "damaged image" in refused(cut)


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path):
    path = tmp_path / "large.png"
    save_page(path, PAGE)
    assert "60 x 40 pixels, expected at most 1000" in refused(path, largest_pixels=1000)
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (200_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    path.write_bytes(header + b"\0\0\0\0")  # 120 GB, were it decoded
    message = refused(path)
    assert "pixels" in message or "not an image" in message or "damaged" in message


def test_saving_where_it_cannot_be_is_one_line(tmp_path):
    for path in (tmp_path / "page.digits", tmp_path / "gone" / "page.png"):
        with pytest.raises(DataError) as error:
            save_page(path, PAGE)
        assert str(path) in str(error.value)
