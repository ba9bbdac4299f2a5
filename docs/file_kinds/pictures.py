"""The picture that every file of the table shows, and files that no library writes."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def picture(seed: int = 0, height: int = 96, width: int = 128) -> Pixels:
    """Return a smooth picture with a bright and a dark patch, ``(height, width, 3)`` uint8 RGB."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [np.sin(x * a + y * b + c) for a, b, c in random.uniform(2, 7, (3, 3))]
    pixels = 128 + 60 * np.stack(waves, axis=2)
    pixels[height // 8 : height // 3, width // 8 : width // 3] = (240, 220, 60)
    pixels[height // 2 : height * 3 // 4, width // 2 : width * 7 // 8] = (30, 60, 120)
    rounded: Pixels = np.rint(pixels).astype(np.uint8)
    return rounded


def image(seed: int = 0) -> Image.Image:
    """Return the picture as Pillow has it."""
    return Image.fromarray(picture(seed))


def saved(what: Image.Image, kind: str, **options: Any) -> bytes:
    """Return a file as Pillow writes it."""
    stream = io.BytesIO()
    what.save(stream, kind, **options)
    return stream.getvalue()


def jpeg(**options: Any) -> bytes:
    """Return an ordinary JPEG."""
    return saved(image(), "JPEG", **{"quality": 90, **options})


#: JPEGs that no library at hand writes: 64x48 pixels by the arithmetic coder of libjpeg-turbo's `cjpeg`,
#: 32x24 by `jpeg8_encode` of imagecodecs.
_RARE = {
    "arithmetic": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxO"
        "UlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P"
        "T09PT09PT0//yQARCAAwAEADASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/ALDl6bDkm/HilsJtCO+hpIiU8lWK"
        "AHmf/wC96LQ6uFH+gOul6OyVGOD6KODiBae7E1hWp3+IC6v4YpKCdGW9Ye2QRT6YbTkUTUnUT5XZ+VpqjcCh3cxQQ+XustaSnBzM"
        "aCOWD/jPZas33AmLts1WigLxTjqgXckw8Ma5raCGGMXkIqy1kYyJh+lMGghRjOIglLj/ADzQO6jKbVcutyrtdNJSMeWODCL/APN0"
        "EfsBXba7tydXnQOTKBFWhhJOB6vyzHBQNBt24h/wbIhrn2/JYlHkpmykOtfs+QLQ/9k="
    ),
    "arithmetic progressive": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAx"
        "NDQ0Hyc5PTgyPC4zNDL/2wBDAQkJCQwLDBgNDRgyIRwhMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIy"
        "MjIyMjIyMjL/ygARCAAwAEADASIAAhEBAxEB/8wABgAQARD/2gAMAwEAAhADEAAAAdFu+2oEGpwJKnu8skv9iA6p4M2/OOif0fPo"
        "9oCmhdLrfqy4zlnqgJFqazXgDoEyi+a60zp/NBvaQpxr88tUgP/MAAQQBf/aAAgBAQABBQKWh12urUAy3b9P9SdvbERhaH5A8IR5"
        "53W6ELU7RRSnmWjn6psI/8wABBEF/9oACAEDAQE/AR5vK/gEWa75MP4zT4Tx6+kWbAZQTwyY66s3CTDn7Tr/AFSzeP/MAAQRBf/a"
        "AAgBAgEBPwE2sIe7XLEt3cCZY8jggynhW/J2T6t+pA9e67dFO26p8cD/zAAEEAX/2gAIAQEABj8C9xHPwqiFy7ru/8wABBAF/9oA"
        "CAEBAAE/IQOskl2JR1jvwHHz99efGpz5X4SCl2VVj17abkD/2gAMAwEAAgADAAAAEDsnRKRahqsSe//MAAQRBf/aAAgBAwEBPxC3"
        "44VSBerJIAV/Q0K6h43FU1ScEq06deJVAVsNL2vI/8wABBEF/9oACAECAQE/EDErgDFXLafwOyMz4H3VW/rFk9zo0MTAEi0256ux"
        "IKD/zAAEEAX/2gAIAQEAAT8Qbbhybc5X928yTSts876Zc1FlR10nVJvK3IH+6Gkq7GNzO6BuPvfp0JXMSoQy+g4ZolRyuOWym06N"
        "r6/y022Bcvie5KD/2Q=="
    ),
    "lossless": (
        "/9j/7gAOQWRvYmUAZAAAAAAA/8MAEQgAGAAgA1IRAEcRAEIRAP/EABwAAAMBAQEBAQEAAAAAAAAAAAIDBAABBwUGCP/aAAwDUgBH"
        "AEIAAQAA/WfX/CIPs5snY2U3Sm+Y6JSomOmc6p+0pKlRUgVAdo2d0mnmMxN3X7j+DTwKeKq4moUU8npGekJaBmeErRmXSU5nObZj"
        "dIVEp0SnTN2mY6p+0qKlXaF9oDr+dds0sxmJvOu5n4KRXRxdQpqGekUVDNSE1ASvCZwTMCZVLJzbMbpieLWzlRN2mcqJ+0p7RHyy"
        "TWBnjnbNLGQm3Zw8fwaBXQKqhTUKKQmqCekZaFzUBK4JmrnYE6qHTE6XtHGs9V+7+foMB3du8712X5XB+28q+f8Auz6WFncwuEwc"
        "0ePEaBXQKagTSKKgmpCapc1ATULleEzQnaqcwQlz5+vj7V1h+x/d/J1knm7tts8leR/M/feQfM9Dd3YTLhMHMDjhCgV0AmkE0gip"
        "c1QzVLmoCalcr1zOXO1c5rQQKUdEvaZNT02ez/c/FWEkd3bbZ5K8j+V6D5D8r0R+EhIgzRFoC8F0AmkEUgipc1ITVLmpXNSEr1zP"
        "XO1c7FoJaugtBVTaiPVmRe2/c/A2mgd3bm2eSvIfj+i+Q/G9Go4sgzAFog9a3gmkEUrRUE1K5qlzUrlpXNQuZ652rnatJAklrwAn"
        "VTcpjGsiL2j7fn9ZoHFzbcziX5T8b0Dyr4noFHFGsWgDgU8FUrnoWipc1QTUqmqCWlc1C5qFzuXOxaWLUQLwBwOJCuXlMw0zjR3p"
        "KFyRcoWgB8AkKclLTAWrW0FPWmgE0LnqXNSuapc1S5aVy0LnoXO8ENWhgKJa+gPA4IZCqp+UyhTONEoUJB6QasDFZ8DvQFiwYC2r"
        "W5aaFooXPSuapc1S5aQmqXNQuagJ3rQ4ENBZLWQhgwh0BJSapQpmCicXoW5QNUBisxDZfCWJgtq1OWl60ULnqXNUEtK5qly1LmpC"
        "ahaKAncCWgpgAQiIbg9ASWLET1TBROt6AalbVAxayENl86sTWti0tWl60ULmoXOxMtC5qQmpCekJ3hPQCXApoqMQMRIdVwB4QC1W"
        "amWmcHTrclbVAalkK9xfMsDWti1MBD1oeuaoJyRJ+B+BGlfO953nO7bc7tuc7tth3beq96f+aq3UccrOVJRODELakDWsgXhWOWJL"
        "Wa0tWhoIeuakJ6QlJM3mvxVzju7bbm22223dtth3buq/oR35qrpIz0Z6pHTgxKyUsgXgWOWHVrMEsBDVoeE1ATUBNUEpLn8x+Y2Y"
        "e922222222222w7t3V/0A/4FPTn7QjtKpGIA1L6teBY8WGBRgk1paE7gmoCagZqQlrGboI8rhtm4XdttttttttttsO13Q99p+PQb"
        "Zipn7SqQ1B1SsACIBgSS1GCGBO4ZnhNQM1Iy0jNXybAnyWb60vD7tttttttttubYdruj75d855vlKmc6VydWGWAAAZauikwQwJ2j"
        "M4ZqOTUBLVyark1XJ+8V5Sj7U2Ittt3bbbbbu22w7tZc9u+khrKJTqmOkJuLAQBfAVhSQIYM7RmdyZ4zUclp5NVyarT1ZFGT3C7A"
        "/ot7ml0+kRM3WCThJ6jes6DZShlMx1THQEwAICKcCSFBcnaMzeTUclo5NRpqtNTp6sinqaurp6ujovLjS6zpmbMTeG4SoWdCWUpO"
        "mY6pmVTMpmOgUrEVcFHRQXJ2aZozP0tGmo01Omq7PV1NOTSSqehQQvLNLrTMyZ0243ibwZSo6EnVOymdlUx0zNomOgVJ4KdpyGZm"
        "nbpW6ajS0dnp7NVp6STV1NRLoIKCGgs4yaZGbCN2N/GPA6VMoUdSGUzsqnZTKyiZlEpu4E+4jumPTN0zuyu7NR2ans9PUVEiok0k"
        "ukhpMXnnmTTNhsJjum/MeB0rZSplKWVTspnZTKyiZlEpvmNm5P3TlpmFK3TO7LQU9BTUkiokVEqk11EFJ8eeeZOYbTaTHEbsygWU"
        "AypTKUspQymdlUzKJjfKx8rGzGf/2Q=="
    ),
    "12 bits": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAx"
        "NDQ0Hyc5PTgyPC4zNDL/wQALDAAYACABAREA/8QAGAAAAwEBAAAAAAAAAAAAAAAABwgJBQr/xAAvEAAABAMHAQgCAwAAAAAAAAAB"
        "AgMEBQYRAAcICRITIRQKFRYiMTJBYTZxQmPw/9oACAEBAAA/AOrjL2y2Li8W728tpeJGY/C/C4Q7o+5XjdDX1HUa9zdSPWmyWlKU"
        "qPrZOMzK426HA9jIiF0kkRaIP4K2gcOiRHMYcorOBO4IYxyiZIhC6QEoU8tlehGKGWZd0iV2iAlp/IA/VsydMxqGwCHnI3iZC6Q4"
        "0npafmJPNBZsHTwrOOilURANtYS1+uB5/f3ac0+5lL+Ku3KycWUXOUphATrCYRoFQCo2jfEe01T0qsqQ1whhEDCX8xHmg/bT5sf8"
        "I+aZOWOdpPQeBlpUGWOjChYwL7qOo3f6k9GnZ+66villTnbEpOE/RxQiDtwoChqe4ef8FipczdlOk+u0hOi4UIqPIDX0GzRXOdn/"
        "AMPc6oprxe6FdcynmMPfMQLUR5+FgtQ/DRkmXUYY2scVurkFWADMAIDEtyIOXe/s69qgLqH003T+2ldXPpb/2Q=="
    ),
    "lossless, 16 bits": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/wwALEAAYACABAREA/8QAGgAAAwEBAQEAAAAAAAAAAAAAAAkKCw4NDP/aAAgBAQABAAD1JQAX"
        "8L+GAr+GAsBYCwGgJgLAaAqAmA0BUBMBYCwFgIL+NAQCf0F/C/mAgwFgIwGgJgLAaAmAsBYCwFgLARfy/l/L+0BAX9YGL+F/Efk/"
        "oDASgIYCwFgLAWAgwFfy/l/T+r+0BCf2wPpyfQEX8MBYD4fH4fHQEv5gIDAWAjAWAgv4X8v5f0/s/tga/p/bA+qKrAwLA+f3+f37"
        "A1/ADAQABf0/q/p/Z/Z/WAr+j8sD6kp0BAKAuf3+e3qAhfwv4AAX8T+r+n9n9n9n9F/R+UBdUVagoFAXO7vOblAU/oL+BfwL+F/L"
        "+X9P7P6v6Pyf0j8j8oC6go0BF/BQFz29zu6wFfy/l/Av5fzAZ/QX8v6f1f0/s/s/s/sfk/sfkfjAZ/Z/Z/Z/Z/c/vL6X9P6L+F/L"
        "+F/C/l/L+J/V/T+z+z+z+5/a/s/uPzP7n9j8j8j8n9X9P6v5fy/l/L+X8L+Bfwv5fy/p/V/T+z+z+x+Z/ef3P7n9x+R+T+x+T+z+"
        "z+r+X8v5fwL+X8C/hfy/l/Efi/p/Z/cfnP7z+4/I/I/M/uf2f2Pyf1f0/q/l/L+j8X8Av4F/C/igJf0/q/sPiPzP7z+4/I/I/I/I"
        "/J/V/T+r+X8ZfXM7Of2wEAX8wEX9oCdISWBz+mHxH5n95/cfkfkfkfk/s/s/q/l/Bn98zs5/bARfwAGgJ05PoCT+r+w+M/vP7j8j"
        "8z+4/J/Z/V/T+i/gj853dj8AABf2oL05PYGv4+f3j8z+4/M/uPyf2f2f1fy/gGAx+eBwR+AAAv7UF6go0BBf2HxH5l9R+T+x+T+z"
        "+r+X8AwFgM/vg8MfgAAGgJ1hZoCL+YD8/vH5H5H5H4v6f2f0X8wEYCwGgJf3ick/oMBABf2oL1RVqChj8x+R+R+T+z+r+AKAmA0B"
        "UBUBDAbA6ArA2A2BsBYCwFgNAWgIwFgJj8x+T+x+L+X8v4YCwFgNAVAVAVAWgJQFYHYHYHQFYHQFQFQEwGgJgIwEMvqf2Pxfy/hf"
        "zAaAmA0BUBWB0BWB2B6AlgdgdgdgdgdAVAVgbAWAsBYCMBM/uf1f0/owEYDQFYHQFYHYHoCWB2B6AmgJYHYHYHYHYGwGgKgJgLAW"
        "AjAV/R+T+gMBoCoCoCoC0BLA9ASwPQE0BNATQEsD0BLA7A6AqAqAqAmAsBGAr+J/RfzAWAsBsDoCsD0BLA9ATQE1BbA9ATUF0BLA"
        "7A9ASgKwOgJgNATAQA//2Q=="
    ),
}


def rare(kind: str) -> bytes:
    """Return a JPEG of a kind that no library at hand writes, such as ``lossless``."""
    return base64.b64decode(_RARE[kind])


def damaged(data: bytes) -> bytes:
    """Return a file with some bytes in its middle lost."""
    middle = len(data) // 2
    return data[:middle] + bytes(40) + data[middle + 40 :]


def ycck() -> bytes:
    """Return a JPEG of inks as Photoshop writes it: luma and chroma of the inverted inks, and black."""
    luma_and_chroma = np.asarray(Image.fromarray(255 - picture()).convert("YCbCr"))
    stored = np.dstack([luma_and_chroma, np.full(luma_and_chroma.shape[:2], 255, np.uint8)])
    height, width = stored.shape[:2]
    inks = Image.frombytes("CMYK", (width, height), (255 - stored).tobytes())
    data = saved(inks, "JPEG", quality=95, subsampling=0)
    transform = data.index(b"Adobe") + 11
    return data[:transform] + b"\x02" + data[transform + 1 :]


def exif(orientation: int) -> bytes:
    """Return an Exif block that says how the camera was held."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    samples: npt.NDArray[np.generic], depth: int, colour: int, *extra: bytes, interlaced: bool = False
) -> bytes:
    """Return a PNG.

    Args:
        samples: ``(height, width, channels)``, integers of at most that depth.
        depth: Bits a sample.
        colour: PNG's number of the colour type.
        extra: Chunks before the pixels.
        interlaced: Whether rows come in the seven passes of Adam7.
    """
    height, width = samples.shape[:2]
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [
            (0, 0, 8, 8),
            (4, 0, 8, 8),
            (0, 4, 4, 8),
            (2, 0, 4, 4),
            (0, 2, 2, 4),
            (1, 0, 2, 2),
            (0, 1, 1, 2),
        ]
    rows = b"".join(
        b"\0" + _packed(row, depth) for x, y, dx, dy in passes for row in samples[y::dy, x::dx] if row.size
    )
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    parts = (chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _packed(row: npt.NDArray[np.generic], depth: int) -> bytes:
    if depth == 16:
        return row.astype(">u2").tobytes()
    if depth == 8:
        return row.astype(np.uint8).tobytes()
    values = row.reshape(-1).astype(np.uint8)
    bits = np.unpackbits(values[:, np.newaxis], axis=1)[:, 8 - depth :]
    return np.packbits(bits.reshape(-1)).tobytes()


def grey() -> Pixels:
    """Return the picture in grey, ``(height, width, 1)``."""
    return np.asarray(image().convert("L"))[..., np.newaxis]


def indexed(colours: int) -> tuple[Pixels, Pixels]:
    """Return the picture by the numbers of so many colours, and these, ``(colours, 3)``."""
    quantized = image().quantize(colours)
    palette = np.array((quantized.getpalette() or [])[: colours * 3], np.uint8).reshape(-1, 3)
    return np.asarray(quantized)[..., np.newaxis], np.vstack(
        [palette, np.zeros((colours - len(palette), 3), np.uint8)]
    )


def png_palette(depth: int, *extra: bytes) -> bytes:
    """Return a PNG with a palette of as many colours as so many bits may tell apart."""
    numbers, palette = indexed(2**depth)
    return png(numbers, depth, 3, chunk(b"PLTE", palette.tobytes()), *extra)


def bmp(bits: int, *, compression: int = 0, masks: tuple[int, ...] = (), **how: Any) -> bytes:
    """Return a BMP.

    Args:
        bits: A pixel: 1, 4, 8, 16, 24 or 32.
        compression: BMP's number of it: 0, 1 or 2 (run lengths), or 3 (masks).
        masks: Of red, green and blue.
        how: ``top_down``, ``header`` (its bytes: 12, 40 or 124), ``behind`` (bytes after the pixels).
    """
    pixels, palette = picture(), b""
    height, width = pixels.shape[:2]
    header, top_down = how.get("header", 40), how.get("top_down", False)
    if bits <= 8:
        numbers, colours = indexed(2**bits)
        blank = () if header == 12 else (0,)
        palette = b"".join(bytes((b, g, r, *blank)) for r, g, b in colours.tolist())
        lines = [_packed(row, bits) for row in numbers]
        if compression:
            lines = [_run_lengths(row[:, 0].tolist(), bits) for row in numbers]
    elif bits == 16:
        wide = pixels.astype(np.uint16)
        green = 6 if masks and masks[1] == 0x7E0 else 5
        packed = (wide[..., 0] >> 3) << (5 + green) | (wide[..., 1] >> (8 - green)) << 5 | wide[..., 2] >> 3
        lines = [row.astype("<u2").tobytes() for row in packed]
    else:
        behind = np.full((height, width, bits // 8 - 3), how.get("alpha", 255), np.uint8)
        lines = [row.tobytes() for row in np.concatenate([pixels[..., ::-1], behind], axis=2)]
    if not compression or compression == 3:
        lines = [line + b"\0" * (-len(line) % 4) for line in lines]
    data = b"".join(lines if top_down else lines[::-1]) + (b"\0\1" if compression in (1, 2) else b"")
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        rows = -height if top_down else height
        used = len(palette) // 4
        info = struct.pack(
            "<IiiHHIIiiII", header, width, rows, 1, bits, compression, len(data), 2835, 2835, used, 0
        )
        words = b"".join(struct.pack("<I", mask) for mask in masks)
        if header > 40:
            words = words or struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
            info += words + struct.pack("<I", 0) + b"BGRs" + b"\0" * (header - 40 - 20)
        else:
            info += words
    start = 14 + len(info) + len(palette)
    behind_all: bytes = how.get("behind", b"")
    whole = start + len(data) + len(behind_all)
    return b"BM" + struct.pack("<IHHI", whole, 0, 0, start) + info + palette + data + behind_all


def _run_lengths(row: list[int], bits: int) -> bytes:
    if bits == 8:
        return b"".join(bytes((1, value)) for value in row) + b"\0\0"
    pairs = zip(row[::2], row[1::2], strict=True)
    return b"".join(bytes((2, first << 4 | second)) for first, second in pairs) + b"\0\0"


def gif(*frames: Image.Image, **options: Any) -> bytes:
    """Return a GIF of so many frames."""
    first, *others = [frame.quantize(64) for frame in frames]
    more = {"save_all": True, "append_images": others, "duration": 80} if others else {}
    return saved(first, "GIF", **more, **options)


def gif_with_partial_first_frame() -> bytes:
    """Return a GIF whose canvas is larger than its only frame."""
    data = bytearray(gif(image().resize((48, 32))))
    data[6:10] = struct.pack("<HH", 128, 96)
    at = data.index(b"\x2c", 13 + 3 * (2 << (data[10] & 7)))
    data[at + 1 : at + 5] = struct.pack("<HH", 24, 16)
    return bytes(data)
