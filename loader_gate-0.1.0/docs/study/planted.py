"""Planted slowdowns: edits of a loader's text, as a pull request would be.

The variant without a cache decodes a set share of its images twice, spread evenly over the epoch; the loader
of live sessions burns a share of its time. An edit fails loudly when the text is no longer the one it was
made for.
"""

from __future__ import annotations

from docs.study.errors import StudyError

VARIANT = "tfdata_no_cache"
FILE = f"src/loader_gate/variants/{VARIANT}.py"

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


LOADER = "burning"
#: Outside the suite, as a team's own loaders are: what measures is head's on both sides.
LOADER_FILE = f"{LOADER}.py"

_UNBURNED = "BURNED = 0.0\n"

#: The files that slowdowns can be planted in, by variant.
FILES = {VARIANT: FILE, LOADER: LOADER_FILE}


def planted(text: str, share: float, variant: str = VARIANT) -> str:
    """Return the text of a variant's module with a slowdown.

    Args:
        text: The text of the module.
        share: The share of images to decode twice, or of time to burn, such as 0.05.
        variant: One of `FILES`.

    Raises:
        StudyError: The share is not above 0 and at most 1, or the text is not the expected one.
    """
    if not 0 < share <= 1:
        raise StudyError(f"a planted slowdown of {100 * share:g} %: expected more than 0 and at most 100.")
    before, after = {
        VARIANT: (_BEFORE, _AFTER.format(share=share)),
        LOADER: (_UNBURNED, f"BURNED = {share!r}\n"),
    }[variant]
    return _edited(text, before, after, FILES[variant])


def one_at_a_time(text: str) -> str:
    """Return the text of the variant without a cache, with its parallelism lost: one image at a time.

    Raises:
        StudyError: The text is not the expected one.
    """
    return _edited(text, _BEFORE, _BEFORE.replace("tf.data.AUTOTUNE", "1"), FILE)


def _edited(text: str, before: str, after: str, file: str) -> str:
    if text.count(before) != 1:
        raise StudyError(
            f"{file} has changed: the slowdown is planted in the place of {before.strip()!r}, "
            f"which should be there once and is {text.count(before)} times; mend docs/study/planted.py."
        )
    return text.replace(before, after)
