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
"""

from __future__ import annotations

#: The lowest PSNR of an image to the reference of its interpolation, in dB.
PSNR_FLOOR = {"nearest": 22.0, "bilinear": 30.0, "area": 22.0}
#: PSNR of equal images, in dB.
PSNR_EQUAL = 100.0
#: The largest distance of a loaded image to its file, root mean square over the grid, in grey levels of 255.
CLOSE = 5.0
#: Files this close to a loaded image, or within twice the distance of the closest, might as well be the one.
TOO_CLOSE_TO_TELL = 1.5
#: Of more files than this that cannot be told apart, only the number of images is compared.
MOST_TOLD_APART = 2000
#: Images of an unknown file or a wrong label after which the rest is not looked at.
ENOUGH = 64
