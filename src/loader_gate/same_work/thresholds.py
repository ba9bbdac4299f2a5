"""How far from the reference an image may be.

A loaded image is recognised by its mean-pooled grid of 8x8 cells (see `recognition`), and where pixels are
kept its peak signal-to-noise ratio (PSNR) is taken. The thresholds lie between what honest loaders and wrong
ones were measured to do at 224x224, on 120 photographs and 50 drawn images with much fine texture. The
distance over the grid is in grey levels of 255:

====================================================  ================  ======================================
loader                                                grid              PSNR, dB
====================================================  ================  ======================================
``bilinear``, TensorFlow's JPEG decoder               at most 1.6       40 or more; 35 if not fancy-upsampled
``nearest``, TensorFlow's decoder and resize          at most 1.6       24 or more; ties go to the other pixel
``area``: box, triangle, cubic, Lanczos, TensorFlow   at most 1.6       28 or more
``area``: DCT-scaled decode, then bilinear            at most 1.4       27 or more; 24 at 96x128
declared ``bilinear``, did ``nearest``                at most 1.8       lowest 22, median 25 to 31
declared ``area``, did ``nearest``                    at most 2.5       lowest 20, median 22 to 29
swapped red and blue, flipped, grey, cropped          medians 13 to 43  medians 11 to 23
====================================================  ================  ======================================

Resolution is told by the share of the reference's finest detail that images have, see `detail`: the lowest
of all images, and the median. ``docs/study/resolution.md`` says what honest and other ways of decoding and
resizing were measured to have, and ``python -m docs.study resolution`` makes it again.
"""

from __future__ import annotations

#: The lowest PSNR of an image to the reference of its interpolation, in dB.
PSNR_FLOOR = {"nearest": 22.0, "bilinear": 30.0, "area": 22.0}
#: PSNR of equal images, in dB.
PSNR_EQUAL = 100.0
#: The least share of luma's detail that an image may have, and the median image.
DETAIL_FLOOR, DETAIL_MEDIAN_FLOOR = 0.2, 0.5
#: The same of chroma's.
CHROMA_FLOOR, CHROMA_MEDIAN_FLOOR = 0.04, 0.2
#: A median of fewer images is chance.
FEWEST_FOR_A_MEDIAN = 8
#: The mean square of the second differences of a reference that has enough detail to tell, in grey levels of
#: 255: rounding and JPEG's quantisation make up to a quarter of it by themselves.
DETAIL_ENERGY = 60.0
#: The largest distance of a loaded image to its file, root mean square over the grid, in grey levels of 255.
CLOSE = 5.0
#: Files this close to a loaded image, or within twice the distance of the closest, might as well be the one.
TOO_CLOSE_TO_TELL = 2.0
#: Images whose shorter side has fewer pixels than this are further from their files, by as much as it is
#: shorter: fewer pixels are averaged in a cell of the grid.
SHORT_SIDE = 96
#: Of more files than this that cannot be told apart, only the number of images is compared.
MOST_TOLD_APART = 1000
#: Images of an unknown file or a wrong label after which the rest is not looked at.
ENOUGH = 64
