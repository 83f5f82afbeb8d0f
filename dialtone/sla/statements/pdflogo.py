"""The logo of a PDF."""

from io import BytesIO
from typing import Final

from PIL import Image as Picture
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Image

from dialtone.sla.statement import Logo

_LOGO: Final = (54 * mm, 16 * mm)
_MOST_PIXELS: Final = 16_000_000


def logo_of(logo: Logo | None) -> Flowable | None:
    """Return a logo in its place, None where its bytes are no picture of a sane size."""
    if logo is None:
        return None
    try:
        with Picture.open(BytesIO(logo.data), formats=("PNG", "JPEG")) as picture:
            width, height = picture.size
            if width * height > _MOST_PIXELS:
                return None
            picture.load()
    except (OSError, SyntaxError, ValueError, Picture.DecompressionBombError):
        return None
    scale = min(_LOGO[0] / width, _LOGO[1] / height)
    return Image(BytesIO(logo.data), width=width * scale, height=height * scale, mask="auto", hAlign="RIGHT")
