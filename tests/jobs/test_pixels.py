"""The pixels of process_image: decoding hostile data, orientation, colours, formats."""

import io
import random
import struct
import zlib
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageCms

from jobs.pixels import (
    Filter,
    ImageFormat,
    NotAnImageError,
    NotEncodableError,
    TooManyPixelsError,
    apply_filters,
    decode,
    encode,
    fit,
)

PLENTY = 50_000_000
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
ORIENTATION = ExifTags.Base.Orientation


def as_file(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def red_left_blue_right() -> Image.Image:
    image = Image.new("RGB", (40, 20), RED)
    image.paste(BLUE, (20, 0, 40, 20))
    return image


def png_head(width: int, height: int) -> bytes:
    """Make a PNG that claims a size and ends before its pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    head = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + head + struct.pack(">I", 1000) + b"IDAT"


def pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    colour = image.getpixel((x, y))
    assert isinstance(colour, tuple)
    return colour


def near(colour: Any, wanted: tuple[int, ...], by: int = 8) -> bool:
    return all(abs(a - b) <= by for a, b in zip(colour, wanted, strict=True))


@pytest.mark.parametrize(
    ("width", "height", "enlarge", "wanted"),
    [
        (20, 20, False, (20, 10)),
        (200, 5, False, (10, 5)),
        (20, None, False, (20, 10)),
        (None, 10, False, (20, 10)),
        (None, None, False, (40, 20)),
        (400, 400, False, (40, 20)),
        (400, 400, True, (400, 200)),
        (40, 20, True, (40, 20)),
        (1, 1, False, (1, 1)),
    ],
)
def test_an_image_fits_and_keeps_its_proportions(
    width: int | None, height: int | None, enlarge: bool, wanted: tuple[int, int]
) -> None:
    assert fit(red_left_blue_right(), width, height, PLENTY, enlarge=enlarge).size == wanted


def test_an_image_that_would_grow_beyond_the_limit_is_refused() -> None:
    thin = Image.new("RGB", (1, 1000))
    with pytest.raises(TooManyPixelsError, match="10000 x 10000000"):
        fit(thin, 10_000, None, PLENTY, enlarge=True)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_a_camera_comes_out_upright(orientation: int) -> None:
    upright = Image.new("RGB", (16, 32), GREEN)
    upright.paste(RED, (0, 0, 8, 16))
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(back[orientation]) if orientation in back else upright
    exif = Image.Exif()
    exif[ORIENTATION] = orientation

    image = decode(as_file(stored, exif=exif), PLENTY)

    assert image.size == upright.size
    assert image.tobytes() == upright.tobytes()


def test_a_camera_that_writes_odd_exif_does_not_spoil_its_picture() -> None:
    # A description of type FLOAT, on which Pillow's own exif_transpose fails.
    turned = struct.pack(">HHIHH", ORIENTATION, 3, 1, 6, 0)
    odd = struct.pack(">HHIf", ExifTags.Base.ImageDescription, 11, 1, 1.5)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02" + turned + odd + bytes(4)
    assert decode(as_file(red_left_blue_right(), "JPEG", exif=exif), PLENTY).size == (20, 40)


@pytest.mark.parametrize("image_format", ImageFormat)
def test_no_metadata_is_written(image_format: ImageFormat) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "SECRET description"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSMapDatum] = "SECRET place"
    source = as_file(
        red_left_blue_right(), "JPEG", exif=exif, comment=b"SECRET comment", xmp=b"<SECRET/>",
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    )  # fmt: skip
    assert source.count(b"SECRET") == 4

    data = encode(decode(source, PLENTY), image_format)

    assert b"SECRET" not in data
    written = Image.open(io.BytesIO(data))
    assert not written.getexif()
    assert not {"icc_profile", "comment", "xmp", "exif"} & written.info.keys()


def test_a_gif_comment_is_not_written_to_a_png() -> None:
    source = as_file(red_left_blue_right(), "GIF", comment=b"SECRET")
    assert b"SECRET" in source
    assert b"SECRET" not in encode(decode(source, PLENTY), ImageFormat.PNG)


def test_colours_of_another_profile_become_those_of_srgb() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"____").replace(b"bXYZ", b"rXYZ").replace(b"____", b"bXYZ")
    data = as_file(Image.new("RGB", (4, 4), RED), icc_profile=swapped)
    assert near(decode(data, PLENTY).getpixel((0, 0)), BLUE)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "LA"])
def test_a_profile_that_is_broken_or_does_not_fit_is_ignored(mode: str) -> None:
    image = Image.new("L", (4, 4), 100).convert(mode)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (b"no profile", srgb[:200]):
        assert near(
            pixel(decode(as_file(image, icc_profile=profile), PLENTY), 0, 0)[:3], (100,) * 3
        )
    assert near(pixel(decode(as_file(image, icc_profile=srgb), PLENTY), 0, 0)[:3], (100,) * 3)


@pytest.mark.parametrize(
    ("image", "file_format", "mode", "colour"),
    [
        (Image.new("I;16", (4, 4), 0x8000), "PNG", "RGB", (128, 128, 128)),
        (Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "JPEG", "RGB", RED),
        (Image.new("1", (4, 4), 1), "PNG", "RGB", (255, 255, 255)),
        (Image.new("LA", (4, 4), (9, 7)), "PNG", "RGBA", (9, 9, 9, 7)),
        (Image.new("RGBA", (4, 4), (1, 2, 3, 4)), "PNG", "RGBA", (1, 2, 3, 4)),
    ],
)
def test_any_mode_becomes_eight_bit_rgb_or_rgba(
    image: Image.Image, file_format: str, mode: str, colour: tuple[int, ...]
) -> None:
    decoded = decode(as_file(image, file_format), PLENTY)
    assert decoded.mode == mode
    assert near(pixel(decoded, 0, 0), colour)


def test_a_palette_with_a_transparent_colour_keeps_its_transparency() -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([*RED, *BLUE])
    image.putpixel((1, 0), 1)
    decoded = decode(as_file(image, transparency=1), PLENTY)
    assert [pixel(decoded, x, 0) for x in (0, 1)] == [(*RED, 255), (*BLUE, 0)]


def test_of_a_moving_image_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    data = as_file(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert near(decode(data, PLENTY).getpixel((0, 0)), RED)


def test_grayscale_takes_the_colour() -> None:
    red, green, blue = pixel(apply_filters(red_left_blue_right(), [Filter.GRAYSCALE]), 0, 0)
    assert red == green == blue == 76  # ITU-R 601-2: 299/1000 of red


def test_blur_softens_an_edge_and_sharpen_hardens_it() -> None:
    edge = Image.new("RGB", (40, 20), (100, 100, 100))
    edge.paste((150, 150, 150), (20, 0, 40, 20))
    blurred = apply_filters(edge, [Filter.BLUR])
    sharp = apply_filters(edge, [Filter.SHARPEN])
    levels = [pixel(image, 19, 10)[0] for image in (blurred, edge, sharp)]
    assert levels == sorted(levels, reverse=True)
    assert len(set(levels)) == 3


def test_autocontrast_spreads_what_is_flat() -> None:
    flat = Image.new("RGB", (40, 20), (100, 100, 100))
    flat.paste((110, 110, 110), (20, 0, 40, 20))
    spread = apply_filters(flat, [Filter.AUTOCONTRAST])
    assert [pixel(spread, x, 0)[0] for x in (0, 39)] == [0, 255]


def test_filters_apply_in_their_order() -> None:
    grey_then_inverted = apply_filters(red_left_blue_right(), [Filter.GRAYSCALE, Filter.INVERT])
    assert pixel(grey_then_inverted, 0, 0) == (179, 179, 179)
    inverted_then_grey = apply_filters(red_left_blue_right(), [Filter.INVERT, Filter.GRAYSCALE])
    assert near(pixel(inverted_then_grey, 0, 0), (178, 178, 178), by=1)


@pytest.mark.parametrize("name", Filter)
def test_every_filter_keeps_size_and_transparency(name: Filter) -> None:
    image = Image.new("RGBA", (8, 4), (10, 200, 30, 77))
    filtered = apply_filters(image, [name])
    assert (filtered.mode, filtered.size) == ("RGBA", (8, 4))
    assert pixel(filtered, 3, 3)[3] == 77


@pytest.mark.parametrize("image_format", ImageFormat)
def test_each_format_is_what_it_says_and_looks_the_same(image_format: ImageFormat) -> None:
    written = Image.open(io.BytesIO(encode(red_left_blue_right(), image_format)))
    assert written.format == image_format.upper()
    assert near(pixel(written.convert("RGB"), 5, 10), RED)
    assert near(pixel(written.convert("RGB"), 35, 10), BLUE)


def test_transparency_becomes_white_in_a_jpeg_and_stays_in_a_png() -> None:
    clear = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    jpeg = Image.open(io.BytesIO(encode(clear, ImageFormat.JPEG)))
    png = Image.open(io.BytesIO(encode(clear, ImageFormat.PNG)))
    assert pixel(jpeg, 8, 8) == (255, 255, 255)
    assert pixel(png, 8, 8) == (0, 0, 0, 0)


def test_an_image_too_wide_for_webp_says_so() -> None:
    with pytest.raises(NotEncodableError, match=r"17000 x 1 as webp: .*16383"):
        encode(Image.new("RGB", (17_000, 1)), ImageFormat.WEBP)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(png_head(10_001, 5_000), id="above the setting"),
        pytest.param(png_head(10_000, 9_000), id="above Pillow's warning"),
        pytest.param(png_head(2**31 - 1, 2**31 - 1), id="above Pillow's error"),
    ],
)
def test_a_bomb_is_refused_by_its_head_before_its_pixels_are_looked_for(head: bytes) -> None:
    # The pixels are not there: a decoder that looked for them would call it cut off.
    with pytest.raises(TooManyPixelsError, match="TASK_API_IMAGE_MAX_PIXELS"):
        decode(head, PLENTY)


def test_a_compressed_text_in_a_png_is_not_blown_up() -> None:
    text = zlib.compress(b"x" * 200_000_000)
    chunk = b"zTXt" + b"k\0\0" + text
    bomb = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    whole = as_file(red_left_blue_right())
    with pytest.raises(NotAnImageError, match="too large"):
        decode(whole[:33] + bomb + whole[33:], PLENTY)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<!doctype html><title>404</title>", id="a web page"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="SVG"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", id="EPS"),
        pytest.param(as_file(red_left_blue_right(), "TIFF"), id="a format that is not read"),
        pytest.param(as_file(red_left_blue_right(), "JPEG")[:-200], id="a JPEG cut off"),
        pytest.param(as_file(red_left_blue_right())[:60], id="a PNG cut off"),
        pytest.param(as_file(red_left_blue_right(), "WEBP")[:-20], id="a WebP cut off"),
        pytest.param(as_file(red_left_blue_right(), "GIF")[:-20], id="a GIF cut off"),
        pytest.param(png_head(10, 10), id="a head alone"),
    ],
)
def test_what_is_no_whole_image_is_refused(data: bytes) -> None:
    with pytest.raises(NotAnImageError, match="No whole JPEG, PNG, GIF, WEBP image: "):
        decode(data, PLENTY)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow on EXIF that is broken
def test_damaged_files_give_an_image_or_a_named_error_and_nothing_else() -> None:
    dice = random.Random(2026)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    noise = Image.effect_noise((48, 32), 50).convert("RGB")
    whole = [
        as_file(noise, "JPEG", exif=exif),
        as_file(noise, exif=exif),
        as_file(noise.convert("P"), transparency=3),
        as_file(noise, "GIF", save_all=True, append_images=[noise.rotate(90)]),
        as_file(noise, "WEBP", exif=exif),
    ]
    outcomes = {"image": 0, "refused": 0}
    for _ in range(3000):
        data = bytearray(dice.choice(whole))
        for _ in range(dice.choice((1, 2, 8))):
            data[dice.randrange(dice.choice((40, 200, len(data))))] = dice.randrange(256)
        try:
            decode(bytes(data), 1_000_000)
            outcomes["image"] += 1
        except (NotAnImageError, TooManyPixelsError):
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 300, outcomes
