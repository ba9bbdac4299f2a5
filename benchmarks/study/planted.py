"""A planted slowdown: the variant without a cache does a set share of its work twice.

Images that are decoded once more are spread evenly over the epoch. It is an edit of the variant's text, as
a pull request would be, and it fails loudly when the text is no longer the one it was made for.
"""

from __future__ import annotations

from benchmarks.study.errors import StudyError

VARIANT = "tfdata_no_cache"
FILE = f"benchmarks/variants/{VARIANT}.py"

_BEFORE = """    return files.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
"""

# The second decode is used, and inside a branch: TensorFlow drops what nobody uses, and does equal work once.
_AFTER = """    twice = round({share!r} * len(tree))

    def planted(index: Any, file: Any) -> tuple[Any, Any]:
        image, label = decode(*file)
        again = index * twice % len(tree) < twice
        return tf.cond(again, lambda: tf.minimum(image, decode(*file)[0]), lambda: image), label

    return files.enumerate().map(planted, num_parallel_calls=tf.data.AUTOTUNE)
"""


def planted(text: str, share: float) -> str:
    """Return the text of the variant's module with a slowdown.

    Args:
        text: The text of the module.
        share: The share of images to decode twice, such as 0.05.

    Raises:
        StudyError: The share is not above 0 and at most 1, or the text is not the expected one.
    """
    if not 0 < share <= 1:
        raise StudyError(f"a planted slowdown of {100 * share:g} %: expected more than 0 and at most 100.")
    if text.count(_BEFORE) != 1:
        raise StudyError(
            f"{FILE} has changed: the slowdown is planted in the place of {_BEFORE.strip()!r}, which should "
            f"be there once and is {text.count(_BEFORE)} times; mend benchmarks/study/planted.py."
        )
    return text.replace(_BEFORE, _AFTER.format(share=share))
