"""Decode an image that may be hostile, fit and filter it, encode it bare of metadata."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Any

from jobs.extra import needs_extra

with needs_extra("jobs"):
    from PIL import ExifTags, Image, ImageCms, ImageFilter, ImageOps


class ImageFormat(StrEnum):
    """What an image can be written as."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"


class Filter(StrEnum):
    """What can be done to the colours of an image; its transparency stays."""

    GRAYSCALE = "grayscale"
    BLUR = "blur"
    SHARPEN = "sharpen"
    AUTOCONTRAST = "autocontrast"
    INVERT = "invert"


class NotAnImageError(Exception):
    """The data are no whole image of a format that is read."""


class TooManyPixelsError(Exception):
    """The image has, or would get, more pixels than TASK_API_IMAGE_MAX_PIXELS allows."""


class NotEncodableError(Exception):
    """The format cannot hold the image: WebP ends at 16,383 pixels a side, JPEG at 65,535."""


READABLE = ("JPEG", "PNG", "GIF", "WEBP")  # not all that Pillow reads: EPS starts Ghostscript
ENCODERS: Mapping[ImageFormat, Mapping[str, Any]] = {
    ImageFormat.JPEG: {"quality": 85, "optimize": True, "progressive": True},
    ImageFormat.PNG: {},
    ImageFormat.WEBP: {"quality": 80},
}
FILTERS: Mapping[Filter, Callable[[Image.Image], Image.Image]] = {
    Filter.GRAYSCALE: lambda image: ImageOps.grayscale(image).convert("RGB"),
    Filter.BLUR: lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    Filter.SHARPEN: lambda image: image.filter(ImageFilter.SHARPEN),
    Filter.AUTOCONTRAST: ImageOps.autocontrast,
    Filter.INVERT: ImageOps.invert,
}
UPRIGHT = {  # EXIF 2.3, tag 0x0112: where the camera's top left has gone
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data: bytes, max_pixels: int) -> Image.Image:
    """Read an image (of a moving one, the first frame), upright, as 8-bit sRGB, in RGB or RGBA.

    Raises:
        TooManyPixelsError: as its head says, before any memory is taken for them.
        NotAnImageError: it is none, or cut off, or broken.

    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(io.BytesIO(data), formats=READABLE)
        _check_pixels(image.width, image.height, max_pixels)
        image.load()  # all of it: mode and EXIF may stand late in the file
        return _to_srgb(_turn_upright(image))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise TooManyPixelsError(f"{error} ({TooManyPixelsError.__doc__})") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise NotAnImageError(f"No whole {', '.join(READABLE)} image: {error}") from error


def fit(
    image: Image.Image, width: int | None, height: int | None, max_pixels: int, *, enlarge: bool
) -> Image.Image:
    """Scale an image to the largest size within width x height that keeps its proportions.

    Raises:
        TooManyPixelsError: enlarged, it would have over `max_pixels`.

    """
    scales = [new / old for new, old in zip((width, height), image.size, strict=True) if new]
    scale = min(scales, default=1.0)
    if scale == 1 or (scale > 1 and not enlarge):
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    _check_pixels(*size, max_pixels)
    return image.resize(size, Image.Resampling.LANCZOS)


def apply_filters(image: Image.Image, filters: Iterable[Filter]) -> Image.Image:
    """Apply filters one after the other."""
    colours = image.convert("RGB")
    for name in filters:
        colours = FILTERS[name](colours)
    if image.mode == "RGBA":
        colours.putalpha(image.getchannel("A"))
    return colours


def encode(image: Image.Image, image_format: ImageFormat) -> bytes:
    """Write an image without EXIF, comments, profile: pixels only. JPEG gets a white ground.

    Raises:
        NotEncodableError: it is too large for the format.

    """
    if image_format is ImageFormat.JPEG and image.mode == "RGBA":
        ground = Image.new("RGB", image.size, "white")
        ground.paste(image, mask=image)
        image = ground
    image.info.clear()  # Pillow would write comments and the like from here
    file = io.BytesIO()
    try:
        image.save(file, image_format, **ENCODERS[image_format])
    except (OSError, ValueError) as error:
        size = f"{image.width} x {image.height}"
        raise NotEncodableError(f"{size} as {image_format}: {error}") from error
    return file.getvalue()


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise TooManyPixelsError(f"{width} x {height}: {TooManyPixelsError.__doc__}")


def _turn_upright(image: Image.Image) -> Image.Image:
    # ImageOps.exif_transpose also writes the EXIF anew, and fails where a camera's is odd.
    method = UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image if method is None else image.transpose(method)


def _to_srgb(image: Image.Image) -> Image.Image:
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode.startswith("I"):  # 16 bits, of which `convert` would cut off the upper ones
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    profile = image.info.get("icc_profile")
    if profile:
        with suppress(OSError, ImageCms.PyCMSError):  # a profile that does not fit is no profile
            source = image if image.mode in ("L", "CMYK") else image.convert(mode)
            srgb = ImageCms.createProfile("sRGB")
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(source, own, srgb, outputMode=mode) or source
    return image.convert(mode)
