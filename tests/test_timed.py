"""The cheap look at every batch of a timed epoch: honest loaders pass, each cheat fails with its sentence."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loader_gate.registry.spec import Spec
from loader_gate.same_work import alike
from loader_gate.same_work.alike import Points
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.fingerprints import FAR, Fingerprints
from loader_gate.same_work.order import order_problem, shuffle_quality
from loader_gate.same_work.recognition import Miscount
from loader_gate.same_work.reference import Ints, build_reference
from loader_gate.same_work.timed import TimedEpoch
from loader_gate.same_work.words import DifferenceError, listed
from loader_gate.trees.tree import Tree

SIZE, BATCH = (96, 96), 8
UINT8 = DeclaredOutput(dtype="uint8", value_range=(0, 255))
Pixels = np.ndarray


def drawn(seed: int) -> Pixels:
    """Return an image of waves, discs and texture, ``(height, width, 3)`` uint8."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] / SIZE[0]
    pixels = 128 + 70 * np.sin(
        random.uniform(2, 9, 3) * x[..., None] + random.uniform(2, 9, 3) * y[..., None]
    )
    for _ in range(30):
        disc = (x - random.random()) ** 2 + (y - random.random()) ** 2 < random.uniform(0.0005, 0.01)
        pixels[disc] = random.uniform(0, 255, 3)
    pixels += random.normal(0, 12, (*SIZE, 1))
    image: Pixels = pixels.clip(0, 255).astype(np.uint8)
    return image


def jpeg(image: Pixels) -> Pixels:
    """Return what a dump of JPEGs of quality 90 keeps."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=90)
    return np.asarray(Image.open(file))


def blown_up(image: Pixels, size: int) -> Pixels:
    """Return an image kept at a smaller size."""
    small = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(small.resize(SIZE[::-1], Image.Resampling.BILINEAR))


class Case:
    """A tree that is in memory, the images of an honest loader, and what the check has learned of them."""

    def __init__(
        self,
        images: Pixels,
        classes: int = 3,
        declared: DeclaredOutput = UINT8,
        picture_of: np.ndarray | None = None,
        seed: int = 5,
        shuffle: bool = True,
    ) -> None:
        """Check an epoch."""
        labels = tuple(sorted(number % classes for number in range(len(images))))
        root = Path("/tree")
        names = tuple("abc"[:classes])
        paths = tuple(f"/tree/{names[label]}/{number:03}.jpg" for number, label in enumerate(labels))
        self.tree = Tree(root, paths, labels, names, "made up")
        self.spec = Spec(SIZE, BATCH, shuffle=shuffle, seed=0, cache_dir=root)
        self.images, self.labels = images, np.eye(classes, dtype=np.float32)[list(labels)]
        self.prints = Fingerprints(self.tree, self.spec, declared, seed)
        if picture_of is not None:
            self.prints._distinguish(picture_of)
        self.random = np.random.default_rng(0)
        first = np.arange(len(images))
        if picture_of is not None:  # as the check does, which knows of copies which picture they are
            keys = list(zip(labels, picture_of.tolist(), strict=True))
            first = np.array([keys.index(key) for key in keys])
        order = self.random.permutation(len(images))
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            self.prints.learn(images[some], first[some])

    def batches(
        self, images: Any = None, labels: Any = None, order: Any = None
    ) -> Iterator[tuple[Pixels, Pixels]]:
        """Yield an epoch, of other images, labels or in another order if given."""
        images = self.images if images is None else images
        labels = self.labels if labels is None else labels
        order = self.random.permutation(len(images)) if order is None else np.asarray(order)
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            yield images[some], labels[some]

    def epoch(self, batches: Any = None) -> TimedEpoch:
        """Look at an epoch."""
        epoch = TimedEpoch(self.prints)
        for images, labels in self.batches() if batches is None else batches:
            epoch.add(images, labels, self.prints.sample(images))
        return epoch

    def reason(self, batches: Any) -> str:
        """Return why an epoch fails."""
        reason = self.epoch(batches).problem()
        assert reason is not None
        assert "/tree" not in reason
        assert "\n" not in reason
        return reason


@pytest.fixture(scope="module")
def photos() -> Pixels:
    """Return 60 images: seven batches of 8 and one of 4."""
    return np.stack([drawn(seed) for seed in range(60)])


@pytest.fixture
def case(photos: Pixels) -> Case:
    """Return a loader of uint8."""
    return Case(photos)


class TestHonest:
    """Loaders that do in a timed epoch what they did when they were checked."""

    def test_the_same_pixels(self, case: Case) -> None:
        """In any order; where they are in the tree is known."""
        order = case.random.permutation(60)
        epoch = case.epoch(case.batches(order=order))
        assert epoch.problem() is None
        assert epoch.order().tolist() == order.tolist()
        assert len(np.unique(case.prints.groups)) == 60

    @pytest.mark.parametrize(
        ("dtype", "values"), [("float32", (0, 1)), ("float16", (-1, 1)), ("float64", (0, 255))]
    )
    def test_declared(self, photos: Pixels, dtype: str, values: tuple[float, float]) -> None:
        """Whatever type and range is declared."""
        images = (photos / 255 * (values[1] - values[0]) + values[0]).astype(dtype)
        case = Case(images, declared=DeclaredOutput(None, dtype, values))
        assert case.epoch().problem() is None
        assert "too often" in case.reason(case.batches(order=[0, *range(59)]))

    @pytest.mark.parametrize("images", [1, 2, 5, 9])
    def test_small_trees(self, photos: Pixels, images: int) -> None:
        """As few as there are."""
        for classes in {1, min(images, 3)}:
            case = Case(photos[:images], classes)
            assert case.epoch().problem() is None
            noisy = np.stack([jpeg(image) for image in photos[:images]])
            assert case.epoch(case.batches(noisy)).problem() is None

    def test_small_images(self) -> None:
        """Of fewer pixels than are looked at, all are."""
        spec = Spec((2, 3), 4, shuffle=True, seed=0, cache_dir=Path())
        tree = Tree(Path("/t"), ("/t/a/0", "/t/a/1"), (0, 0), ("a",), "")
        prints = Fingerprints(tree, spec, UINT8, 0)
        assert prints.sample(np.zeros((2, 2, 3, 3), np.uint8)).shape == (2, 6, 3)

    @pytest.mark.parametrize("seed", range(5))
    def test_a_dump_of_jpegs(self, photos: Pixels, seed: int) -> None:
        """Decoded from the files when it was checked, from the dump later: each is recognised."""
        case = Case(photos, seed=seed)
        order = case.random.permutation(60)
        epoch = case.epoch(case.batches(np.stack([jpeg(image) for image in photos]), order=order))
        assert epoch.problem() is None
        assert epoch.order().tolist() == order.tolist()

    def test_a_dump_of_bytes(self, photos: Pixels) -> None:
        """Floats when it was checked, the same rounded later: nothing differs."""
        random = np.random.default_rng(0)
        exact = (photos + random.uniform(-0.49, 0.49, photos.shape)).clip(0, 255)
        case = Case((exact / 255).astype(np.float32), declared=DeclaredOutput())
        order = case.random.permutation(60)
        epoch = case.epoch(case.batches((np.rint(exact) / 255).astype(np.float32), order=order))
        assert epoch.problem() is None
        assert epoch.order().tolist() == order.tolist()

    def test_checked_again(self, photos: Pixels) -> None:
        """The last checked epoch counts."""
        case = Case(photos)
        dump = np.stack([jpeg(image) for image in photos])
        case.prints.learn(dump, np.arange(60))
        epoch = case.epoch(case.batches(dump))
        assert epoch.problem() is None
        assert epoch.order().min() == 0

    def test_saved(self, case: Case, tmp_path: Path) -> None:
        """A fresh process knows what was learned."""
        file = tmp_path / "prints.npz"
        case.prints.save(file)
        case.prints = Fingerprints(case.tree, case.spec, UINT8, 5)
        case.prints.load(file)
        assert case.epoch().problem() is None
        assert "missing" in case.reason(case.batches(order=[0, *range(59)]))
        Fingerprints(case.tree, case.spec, UINT8, 5).save(file)
        case.prints = Fingerprints(case.tree, case.spec, UINT8, 5)
        case.prints.load(file)
        assert case.epoch(case.batches(order=[0, *range(59)])).problem() is not None

    def test_a_copy(self, case: Case, photos: Pixels) -> None:
        """A loader may use its memory again."""
        sample = case.prints.sample(photos[:8])
        assert not np.shares_memory(sample, photos)
        assert sample.shape == (8, 16, 3)
        assert sample.dtype == np.uint8

    def test_nothing_learned(self, photos: Pixels, case: Case) -> None:
        """Without a checked epoch, form and counts are looked at."""
        case.prints = Fingerprints(case.tree, case.spec, UINT8, 0)
        assert case.epoch(case.batches(np.zeros_like(photos))).problem() is None
        assert case.epoch().order().tolist() == [-1] * 60
        case.prints.learn(photos[:8], np.full(8, -1))
        assert case.epoch().problem() is None
        assert "21 images of class 'a' came in a timed epoch, expected 20." in case.reason(
            case.batches(labels=case.labels[[0, *range(59)]], order=range(60))
        )


class TestLookAlikes:
    """Equal frames, copies and noise never make a loader guilty."""

    def test_blank_pictures(self, photos: Pixels) -> None:
        """All of one colour, under every label: their number is compared, and their labels."""
        case = Case(np.zeros_like(photos))
        epoch = case.epoch()
        assert epoch.problem() is None
        assert sorted(epoch.order().tolist()) == list(range(60))
        assert shuffle_quality(epoch.order(), 60, case.prints.groups) == 1
        labels = case.labels.copy()
        labels[0] = labels[-1]
        assert "missing" in case.reason(case.batches(np.zeros_like(photos), labels))

    def test_copies(self, photos: Pixels) -> None:
        """A tree of links: the check names the first of them, and the order is that of what can be seen."""
        picture_of = np.arange(60) % 10
        case = Case(photos[picture_of], 2, picture_of=picture_of)
        epoch = case.epoch(case.batches(order=range(60)))
        assert epoch.problem() is None
        assert order_problem([epoch.order()], False, case.prints.groups) is None
        assert order_problem([epoch.order()], True, case.prints.groups) is not None
        other = case.epoch()
        assert order_problem([other.order()], True, case.prints.groups) is None
        assert "5 images are missing" in case.reason(case.batches(order=[*range(55), *range(5)])).replace(
            " of 60", ""
        )

    @pytest.mark.parametrize("noise", [0.3, 2, 6])
    @pytest.mark.parametrize("apart", [0.5, 2, 5, 12])
    @pytest.mark.parametrize("shuffle", [False, True])
    def test_frames(self, noise: float, apart: float, shuffle: bool) -> None:
        """Frames that differ by as much as a loader's noise, some of which the check took for others."""
        for seed in range(1):
            random = np.random.default_rng(seed)
            frames = np.stack([drawn(seed).astype(float)] * 40).clip(40, 215)
            frames += random.normal(0, apart, frames.shape)
            case = Case(np.rint(frames).astype(np.uint8), seed=seed, shuffle=shuffle)
            named = np.arange(40)
            named[[1, 2, 30]] = [0, 3, 31]
            case.prints.learn(np.rint(frames).astype(np.uint8), named)
            for _ in range(2):
                noisy = np.rint(frames + random.normal(0, noise, frames.shape)).clip(0, 255).astype(np.uint8)
                epoch = case.epoch(case.batches(noisy, order=range(40)))
                assert epoch.problem() is None
                orders = [epoch.order()]
                assert shuffle or order_problem(orders, shuffle, case.prints.groups) is None

    @pytest.mark.parametrize("noise", [0, 1, 4])
    def test_digits(self, noise: float) -> None:
        """Mostly background, and alike where something is."""
        random = np.random.default_rng(0)
        digits = np.where(random.random((60, 96, 96, 1)) < 0.1, 255, 0).repeat(3, 3)
        case = Case(digits.astype(np.uint8))
        for _ in range(2):
            noisy = (digits + random.normal(0, noise, digits.shape)).clip(0, 255).astype(np.uint8)
            assert case.epoch(case.batches(noisy)).problem() is None


class TestForm:
    """What a batch shows at once."""

    def test_another_shape(self, case: Case, photos: Pixels) -> None:
        """Nothing of it needs to be taken: the batch of zeros that was let through before."""
        labels = case.labels[:BATCH]
        for images in (np.zeros((BATCH, 1), np.uint8), np.zeros(BATCH), np.array(5), photos[:8, :90]):
            with pytest.raises(DifferenceError, match="expected \\(batch, 96, 96, 3\\)"):
                case.epoch([(images, labels)])

    def test_another_type(self, case: Case, photos: Pixels) -> None:
        """It has to be the declared one in every batch."""
        with pytest.raises(
            DifferenceError, match="Images of batch 2 are float64, expected the declared uint8"
        ):
            case.epoch([(photos[:8], case.labels[:8]), (photos[8:16].astype(float), case.labels[8:16])])

    def test_another_size(self, case: Case, photos: Pixels) -> None:
        """Batches are of the size that was asked for, and end with the epoch."""
        with pytest.raises(DifferenceError, match="Batch 1 has 60 images, expected 8"):
            case.epoch([(photos, case.labels)])
        with pytest.raises(DifferenceError, match="did not end after the 60 images"):
            case.epoch([*case.batches(order=range(56)), *case.batches(order=range(8))])

    def test_labels(self, case: Case, photos: Pixels) -> None:
        """They are held to their form, too."""
        with pytest.raises(DifferenceError, match="class numbers"):
            case.epoch([(photos[:8], case.labels[:8].argmax(1))])

    def test_no_pixels(self, case: Case, photos: Pixels) -> None:
        """Images that have the right shape, but of which none were taken, do not count as looked at."""
        epoch = TimedEpoch(case.prints)
        with pytest.raises(DifferenceError) as raised:
            epoch.add(photos[:8], case.labels[:8], case.prints.sample(photos[:7]))
        assert f"{raised.value}" == "A batch of shape (8, 96, 96, 3) came, of which no pixels can be taken."

    def test_images_that_do_not_come_by(self, case: Case, photos: Pixels) -> None:
        """Pixels and classes that a training loop has kept are looked at as batches are."""
        epoch, order = TimedEpoch(case.prints), case.random.permutation(60)
        for some in np.split(order, [8, 16]):
            epoch.keep(case.prints.sample(photos[some]), case.labels[some].argmax(1))
        assert epoch.problem() is None
        assert epoch.order().tolist() == order.tolist()


class TestCheats:
    """What an epoch shows when it has ended."""

    def test_nothing_and_half(self, case: Case) -> None:
        """Fewer images than the tree has."""
        assert case.reason([]) == "No images came in a timed epoch, expected the 60 of the tree."
        half = case.reason(case.batches(order=range(32)))
        assert half == "32 images came in a timed epoch, expected the 60 of the tree."

    def test_zeros(self, case: Case, photos: Pixels) -> None:
        """One batch made up, of the right shape."""
        images = photos.copy()
        images[10:18] = 0
        reason = case.reason(case.batches(images))
        assert reason.startswith("8 images of a timed epoch look like no file of the tree (one is ")

    def test_not_finite(self, photos: Pixels) -> None:
        """What is no number is no pixel."""
        images = (photos / 255).astype(np.float32)
        case = Case(images, declared=DeclaredOutput())
        images = images.copy()
        images[3:9] = np.nan
        assert "6 images of a timed epoch look like no file" in case.reason(case.batches(images))

    def test_one_batch_for_ever(self, photos: Pixels) -> None:
        """The same images again and again."""
        case = Case(photos[:56], 1)
        reason = case.reason(case.batches(order=[*range(8)] * 7))
        assert reason.startswith(
            "48 of 56 images are missing from a timed epoch (a/008.jpg, a/009.jpg, a/010.jpg, ...)"
        )
        assert reason.endswith("expected 1, ...): is one batch given again and again?")

    def test_repeated(self, case: Case) -> None:
        """One image for another, of its class."""
        assert case.reason(case.batches(order=[1, *range(1, 60)])) == (
            "1 of 60 images are missing from a timed epoch (a/000.jpg) and others came too often "
            "(a/001.jpg 2 times, expected 1)."
        )

    def test_labels(self, case: Case, photos: Pixels) -> None:
        """Two images have each other's, in exact pixels and in those of a dump."""
        order = np.arange(60)
        labels = case.labels.copy()
        labels[[0, 59]] = labels[[59, 0]]
        for images in (photos, np.stack([jpeg(image) for image in photos])):
            assert case.reason(case.batches(images, labels, order)) == (
                "Images of a timed epoch have a wrong label (a/000.jpg came as 'c', expected 'a', "
                "c/059.jpg came as 'a', expected 'c')."
            )

    @pytest.mark.parametrize("size", [28, 64])
    def test_kept_small(self, case: Case, photos: Pixels, size: int) -> None:
        """Cached at a lower resolution after the check, all images or some."""
        small = np.stack([blown_up(image, size) for image in photos])
        assert "are they kept smaller" in case.reason(case.batches(small)).lower()
        some = np.concatenate([small[:20], photos[20:]])
        assert "20 images of a timed epoch are not what they were" in case.reason(case.batches(some))

    def test_some_kept_small_among_others_that_hardly_change(self, case: Case, photos: Pixels) -> None:
        """Images that are off by a level do not outvote those that are kept small."""
        mixed = np.clip(photos.astype(np.int16) + 1, 0, 255).astype(np.uint8)
        mixed[:20] = [blown_up(image, 28) for image in photos[:20]]
        assert "are some kept smaller" in case.reason(case.batches(mixed))

    def test_orders(self, case: Case) -> None:
        """What shuffles once for ever, or not at all, is known from two epochs."""
        once = case.random.permutation(60)
        for order in (once, np.arange(60)):
            orders = [case.epoch(case.batches(order=order)).order() for _ in range(2)]
            assert order_problem(orders, True, case.prints.groups) is not None
        orders = [case.epoch().order() for _ in range(2)]
        assert order_problem(orders, True, case.prints.groups) is None


def greys(levels: Sequence[int]) -> Pixels:
    """Return images of one grey level each, so that a distance is a difference of levels."""
    return np.full((len(levels), *SIZE, 3), np.reshape(levels, (-1, 1, 1, 1)), np.uint8)


def looked_at(
    checked: Sequence[int], came: Sequence[int], classes: str = "", *, shuffle: bool = True
) -> TimedEpoch:
    """Return an epoch of a tree of these levels, whose files come, in its order, as these.

    Args:
        checked: The level of each file.
        came: The level of each image.
        classes: The class of each image; then half of the files are of class a, the others of b.
        shuffle: Whether another order was asked for.
    """
    case = Case(greys(checked), 2 if classes else 1, shuffle=shuffle)
    labels = np.eye(2, dtype=np.float32)[["ab".index(one) for one in classes]] if classes else case.labels
    return case.epoch(case.batches(greys(came), labels, range(len(came))))


class TestGreys:
    """Files of one grey level each: where the limits lie, and what is said beyond them."""

    @pytest.mark.parametrize(
        ("closest_of_b", "came", "problem"),
        [
            (221, 140, ""),
            (
                *(221, 141),
                "1 images of a timed epoch look like no file of the tree (one is 41.0 grey levels from the "
                "closest at the 16 pixels looked at, expected 40 or less): each has to be what it was when "
                "it was checked.",
            ),
            (161, 120, ""),
            (
                *(160, 120),
                "1 images of a timed epoch are not what they were when they were checked: at the 16 pixels "
                "looked at they are a median of 40.0 grey levels off, expected 25.0 or less. Are they kept "
                "smaller, or compressed more?",
            ),
            (115, 104, ""),
            (
                *(114, 104),
                "1 of 4 images are missing from a timed epoch (b/003.jpg) and others came too often "
                "(b/002.jpg 2 times, expected 1).",
            ),
        ],
    )
    def test_a_wrong_label(self, closest_of_b: int, came: int, problem: str) -> None:
        """An image is of another class if a file of it is near, and less than half as far as all others."""
        wrong = "Images of a timed epoch have a wrong label (a/001.jpg came as 'b', expected 'a')."
        checked = (0, 100, closest_of_b, 255)
        assert looked_at(checked, (*checked[:3], came), "aabb").problem() == (problem or wrong)

    @pytest.mark.parametrize(("classes", "more"), [("bbabbbbb", ""), ("bbbbbbbb", ", ...")])
    def test_several_wrong_labels(self, classes: str, more: str) -> None:
        """Three of them are named, and whether there are others."""
        levels = range(0, 256, 36)
        names = "a/000.jpg", "a/001.jpg", "a/002.jpg" if more else "a/003.jpg"
        told = ", ".join(f"{name} came as 'b', expected 'a'" for name in names)
        assert looked_at(levels, levels, classes).problem() == (
            f"Images of a timed epoch have a wrong label ({told}{more})."
        )

    def test_unknown_images(self) -> None:
        """How far off they are is told unless more images have changed, and first what others have lost."""
        begins = "1 images of a timed epoch look like no file of the tree"
        ends = "each has to be what it was when it was checked."
        checked = (0, 50, 100, 150)
        assert looked_at(checked, (0, 51, 100, 255)).problem() == (
            f"{begins} (one is 105.0 grey levels from the closest at the 16 pixels looked at, expected 40 or "
            f"less): {ends}"
        )
        assert (
            looked_at(checked, (0, 51, 101, 255)).problem() == f"{begins} at the 16 pixels looked at: {ends}"
        )
        assert looked_at((0, 60, 150), (20, 80, 255)).problem() == (
            "2 images of a timed epoch are not what they were when they were checked: at the 16 pixels "
            "looked at they are a median of 20.0 grey levels off, expected 16.2 or less. Are they kept "
            "smaller, or compressed more?"
        )

    @pytest.mark.parametrize(
        ("images", "off", "problem"),
        [
            (19, [24], None),
            (19, [26], "1 median of 26.0 25.0"),
            (19, [1, 31], None),
            (19, [2, 31], "2 median of 16.5 16.2"),
            (7, [9] * 7, None),
            (7, [11] * 7, "7 median of 11.0 10.0"),
            (19, [11] * 3, None),
            (20, [9] * 3, None),
            (20, [11] * 3, "11.0"),
            (20, [16] * 2, None),
            (20, [14] * 3, "3 median of 14.0 13.3"),
        ],
    )
    def test_lost_detail(self, images: int, off: list[int], problem: str | None) -> None:
        """The fewer images have changed, the more chance may do; of many, a tenth may be off by 10."""
        checked = [180 // len(off) * number for number in range(len(off))]
        others = range(200, 200 + images - len(off))
        came = [level + more for level, more in zip(checked, off, strict=True)]
        found = looked_at([*checked, *others], [*came, *others]).problem()
        if problem is None:
            assert found is None
        elif "median" in problem:
            number, _, _, median, limit = problem.split()
            assert found == (
                f"{number} images of a timed epoch are not what they were when they were checked: at the 16 "
                f"pixels looked at they are a median of {median} grey levels off, expected {limit} or less. "
                "Are they kept smaller, or compressed more?"
            )
        else:
            assert found == (
                f"A tenth of the images of a timed epoch are {problem} grey levels or more off what they "
                "were when they were checked, at the 16 pixels looked at, expected 10 or less: are some kept "
                "smaller, or compressed more?"
            )

    def test_luma_counts(self) -> None:
        """As much of blue, which JPEG keeps less of, is no lost detail; of red it is."""
        checked = greys([0, 120, 240])
        case = Case(checked, 1)
        blue, red = checked.copy(), checked.copy()
        blue[..., 2] = red[..., 0] = np.reshape([60, 60, 180], (3, 1, 1))
        assert case.epoch(case.batches(blue)).problem() is None
        assert "a median of 17.9 grey levels off, expected 13.3 or less" in case.reason(case.batches(red))

    @pytest.mark.parametrize(
        ("off", "near", "far"),
        [
            ((0, 0), 1, 2),
            ((1, 0), 2, 3),
            ((7, 0), 16, 17),
            ((7, 1), 16, 17),
            ((20, 2), 20, 21),
            ((0, 45), 1, 2),
        ],
    )
    def test_noise(self, off: tuple[int, int], near: int, far: int) -> None:
        """Two files are told apart if they are further than noise may swap; what is no file is no noise."""
        for apart, same in ((near, True), (far, False)):
            checked = [0, 60, 150, 150 + apart]
            epoch = looked_at(checked, [off[0], 60 + off[1], *checked[2:]], shuffle=False)
            assert epoch.order().tolist() == [0, -1 if off[1] == 45 else 1, 2, 3]
            groups = epoch.fingerprints.groups
            assert (groups[2] == groups[3]) == same

    def test_noise_is_allowed_for_only_where_it_is_needed(self) -> None:
        """If each file has come, those that are near to each other are told apart, in a part too."""
        checked = [0, 60, 150, 151, 200, 200]
        for came in ([0, 60, 151, 150, 200, 200], [1, 60, 151, 150, 200, 200]):
            epoch = looked_at(checked, came)
            assert epoch.problem() is None
            assert epoch.order().tolist() == [0, 1, 3, 2, 4, 5]
        swapped = looked_at(checked, [0, 60, 150, 150, 200, 200])
        assert swapped.problem() is None
        assert swapped.order().tolist() == [0, 1, 2, 3, 4, 5]

    @pytest.mark.parametrize(
        ("checked", "came", "missing", "extra"),
        [
            ((0, 60, 150, 220), (0, 60, 150, 150), "1: a/003.jpg", "a/002.jpg 2 times, expected 1"),
            ((0, 60, 150, 150), (0, 150, 150, 150), "1: a/001.jpg", "a/002.jpg 3 times, expected 2"),
            (
                (0, 0, 60, 150),
                (0, 60, 60, 150),
                "1: a/000.jpg 1 times, expected 2",
                "a/002.jpg 2 times, expected 1",
            ),
            (
                *(range(0, 240, 30), (0, 0, 0, 90, 120, 150, 180, 210)),
                *("2: a/001.jpg, a/002.jpg", "a/000.jpg 3 times, expected 1"),
            ),
        ],
    )
    def test_miscounts(self, checked: Sequence[int], came: Sequence[int], missing: str, extra: str) -> None:
        """Of files that are the same the first is named; a tree of one batch gives none again and again."""
        number, _, names = missing.partition(": ")
        assert looked_at(checked, came).problem() == (
            f"{number} of {len(checked)} images are missing from a timed epoch ({names}) and others came too "
            f"often ({extra})."
        )

    @pytest.mark.parametrize(
        ("came", "problem", "order"),
        [
            ((1, 0, 30, 30, 120, 150, 180, 210), None, [1, 0, 2, 3, 6, 7, 8, 9]),
            ((0, 0, 30, 30, 120, 150, 180, 210), None, [0, 1, 2, 3, 6, 7, 8, 9]),
            ((0, 1, 30, 30, 30, 150, 180, 210), "1 a/002.jpg", [0, 1, 2, 3, -1, 7, 8, 9]),
            ((0, 60, 60, 90, 90, 90, 180, 210), "3 a/005.jpg", [0, 4, -1, 5, -1, -1, 8, 9]),
        ],
    )
    def test_parts(self, came: Sequence[int], problem: str | None, order: list[int]) -> None:
        """Of a part, no file comes more often than it is there; noise may have swapped some."""
        checked = [0, 1, 30, 30, 60, 90, 120, 150, 180, 210, 240, 240]
        epoch = looked_at(checked, came)
        found = epoch.part_problem(8)
        if problem is None:
            assert found is None
        else:
            number, name = problem.split()
            assert found == (
                f"{number} images of a part of an epoch came too often, such as {name}: each should come "
                "once."
            )
        assert epoch.order().tolist() == order


class TestNothingLearned:
    """Without a checked epoch the images of each class are counted."""

    @pytest.mark.parametrize(
        ("classes", "problem", "of_a_part"),
        [
            ("aaabbbcc", None, None),
            ("aaabbbbc", "4 images of class 'b' came in a timed epoch, expected 3.", True),
            ("aaabbccc", "2 images of class 'b' came in a timed epoch, expected 3.", False),
            ("aaabbbbb", "5 images of class 'b' came in a timed epoch, expected 3.", True),
        ],
    )
    def test_labels(self, photos: Pixels, classes: str, problem: str | None, of_a_part: bool | None) -> None:
        """The first class of which another number came is named; in a part, of which too many did."""
        case = Case(photos[:8])
        tree = replace(case.tree, class_names=("a", "b", "c", "none"))
        case.prints = Fingerprints(tree, case.spec, UINT8, 0)
        labels = np.eye(4, dtype=np.float32)[["abc".index(one) for one in classes]]
        assert case.epoch(case.batches(labels=labels)).problem() == problem
        of_the_part = case.epoch(case.batches(labels=labels)).part_problem(8)
        too_many_of_c = "3 images of class 'c' came in a timed epoch, expected 2."
        assert of_the_part == (problem if of_a_part is not False else too_many_of_c)

    def test_a_part(self, photos: Pixels) -> None:
        """Too few of a class, or none of the last one, are no problem of a part."""
        case = Case(photos[:16])
        case.prints = Fingerprints(case.tree, case.spec, UINT8, 0)
        assert case.epoch(case.batches(order=range(8))).part_problem(8) is None

    def test_nothing_came(self, photos: Pixels) -> None:
        """An epoch without a batch is none; of a part, nothing has come that is wrong."""
        case = Case(photos[:16])
        epoch = case.epoch([])
        assert epoch.problem() == "No images came in a timed epoch, expected the 16 of the tree."
        assert epoch.part_problem(0) is None
        assert epoch.order().tolist() == []


def levels(*places: float) -> Pixels:
    """Return points of four coordinates that are the same, so that distances are those of the places."""
    return np.repeat(np.array(places)[:, np.newaxis], 4, axis=1)


class TestPoints:
    """The search for the closest, and groups of near ones."""

    @pytest.fixture(params=[2048, 3])
    def many(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        """Look through all of them, or search by SciPy's tree."""
        monkeypatch.setattr(alike, "_MOST_LOOKED_THROUGH", request.param)

    @pytest.mark.usefixtures("many")
    def test_closest(self) -> None:
        """As found one by one."""
        random = np.random.default_rng(0)
        points, centres = (random.integers(0, 256, (count, 48)).astype(np.uint8) for count in (300, 50))
        centres[:20] = points[:20] ^ 3
        found, distances = Points(points).closest(centres, FAR)
        gaps = np.sqrt(((centres[:, None].astype(float) - points) ** 2).mean(2))
        assert found.tolist() == np.where(gaps.min(1) <= FAR, gaps.argmin(1), -1).tolist()
        np.testing.assert_allclose(distances[:20], gaps.min(1)[:20], rtol=1e-4)
        assert Points(points).closest(centres[:0], FAR)[0].tolist() == []

    @pytest.mark.usefixtures("many")
    def test_groups(self) -> None:
        """Who is within reach has the same number; who is further than twice from all has one of its own."""
        random = np.random.default_rng(0)
        centres = random.uniform(0, 255, (40, 48))
        points = np.repeat(centres, 5, axis=0) + random.normal(0, 2, (200, 48))
        numbers = Points(points).groups(6.0)
        assert (numbers.reshape(40, 5) == numbers.reshape(40, 5)[:, :1]).all()
        assert len(np.unique(numbers)) == 40
        chain = np.arange(30.0)[:, None] * np.ones(48)
        assert len(np.unique(Points(chain).groups(1.0))) == 1
        assert len(np.unique(Points(chain).groups(0.4))) == 30

    @pytest.mark.usefixtures("many")
    @pytest.mark.parametrize("at_once", [4_000_000, 8, 1])
    def test_as_far_as_is_asked(self, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is exactly as far as asked is found, and nothing further; however many are taken at once."""
        monkeypatch.setattr(alike, "_AT_ONCE", at_once)
        found, distances = Points(levels(10, 20, 30, 40)).closest(levels(8, 23, 42, 100, 38, 12), 2.0)
        assert found.tolist() == [0, -1, 3, -1, 3, 0]
        assert distances[[0, 2, 4, 5]].tolist() == [2.0] * 4
        assert (distances[[1, 3]] > 2).all()
        assert distances.dtype == np.float32

    @pytest.mark.usefixtures("many")
    @pytest.mark.parametrize(
        ("places", "numbers"),
        [
            pytest.param((0, 3, 30, 33), (0, 0, 2, 2), id="within reach"),
            pytest.param((0, 5, 30, 35), (0, 1, 2, 3), id="further"),
            pytest.param((0, 3, 9, 12), (0, 0, 0, 0), id="within twice the reach of one looked around"),
            pytest.param((0, 3, 10, 13), (0, 0, 2, 2), id="further than twice"),
            pytest.param((0, 11, 3, 8), (0, 1, 0, 1), id="within twice, but not looked around"),
            pytest.param((50, 10, 90, 13, 93), (0, 1, 2, 1, 2), id="in any order"),
        ],
    )
    def test_who_shares_a_number(self, places: tuple[float, ...], numbers: tuple[int, ...]) -> None:
        """The same, whichever way neighbours are searched."""
        assert Points(levels(*places)).groups(3.0).tolist() == list(numbers)

    def test_heaps_that_are_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of more than can be looked around, all that have another one near are counted together."""
        points = Points(levels(90, 0, 2, 20, 22, 50))
        for most, numbers in ((4, [0, 1, 1, 3, 3, 5]), (3, [0, 1, 1, 1, 1, 5])):
            monkeypatch.setattr(alike, "_MOST_CROWDED", most)
            assert points.groups(2.0).tolist() == numbers


def test_files_that_are_named() -> None:
    """By their names within the tree, as a terminal may show them: three at most, and how often they came."""
    names = ("/tree/X/x.jpg", "/tree\\a\\y.jpg", "/else/where/\a.jpg", "/tree/b/z.jpg")
    tree = Tree(Path("/tree"), names, (0,) * 4, ("a",), "")
    miscounts = [Miscount(0, 0, 1), Miscount(1, 1, 1), Miscount(2, 0, 2), Miscount(3, 2, 1)]
    three = "X/x.jpg, a\\y.jpg 1 times, expected 1, /else/where/\\x07.jpg 0 times, expected 2"
    assert listed(tree, miscounts[:3]) == three
    assert listed(tree, miscounts) == f"{three}, ..."


@pytest.mark.parametrize("batch_size", [1, 60])
def test_any_batch_size(photos: Pixels, batch_size: int) -> None:
    """One image at a time, or all at once."""
    case = Case(photos)
    spec = Spec(SIZE, batch_size, shuffle=True, seed=0, cache_dir=Path())
    case.prints = Fingerprints(case.tree, spec, UINT8, 1)
    cut: Callable[[Pixels], list[Pixels]] = lambda all_of: np.split(all_of, range(batch_size, 60, batch_size))  # noqa: E731
    for images, files in zip(cut(photos), cut(np.arange(60)), strict=True):
        case.prints.learn(images, files)
    assert case.epoch(zip(cut(photos), cut(case.labels), strict=True)).problem() is None


def test_a_whole_image_of_every_epoch(tmp_path: Path) -> None:
    """One drawn image is compared with the reference, so that what the drawn pixels miss is seen in time."""
    folder = tmp_path / "tree"
    images = np.stack([drawn(seed) for seed in range(12)])
    images[1] = images[0] ^ 1  # by a level
    for number, image in enumerate(images):
        file = folder / "a" / f"{number:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    tree = Tree.read(folder, "digest")
    spec = Spec(SIZE, 2, shuffle=True, seed=0, cache_dir=tmp_path)
    reference = build_reference(tree, SIZE, tmp_path / "reference")
    prints = Fingerprints(tree, spec, UINT8, 3)
    prints.begin(reference)
    labels = np.ones((len(images), 1), np.float32)
    prints.learn(images, np.arange(len(images)))
    seen = np.zeros(SIZE, bool)
    seen.reshape(-1)[prints.places] = True
    empty = np.where(seen[:, :, np.newaxis], images, 90).astype(np.uint8)
    random = np.random.default_rng(1)

    def problem(epoch: TimedEpoch, batches: Pixels, files: Ints, *, is_part: bool = False) -> str | None:
        prints.hold_against(reference)  # what has been looked at is forgotten
        for start in range(0, len(files), 2):
            some = files[start : start + 2]
            epoch.add(batches[some], labels[some], prints.sample(batches[some]))
        return epoch.part_problem(len(files)) if is_part else epoch.problem()

    for _ in range(4):
        order = random.permutation(len(images))
        for files in (order, np.where(order == 1, 0, order)):  # files 0 and 1 are told apart no more
            assert problem(TimedEpoch(prints), images, files) is None
            assert "Of timed epochs: Pixels of" in (problem(TimedEpoch(prints), empty, files) or "")
            assert problem(TimedEpoch(prints, whole=False), empty, files) is None
        for files in (order[:2], np.array([0, 0])):
            assert problem(TimedEpoch(prints, 2), images, files, is_part=True) is None
            found = problem(TimedEpoch(prints, 2), empty, files, is_part=True)
            assert "Of timed epochs: Pixels of" in (found or "")


class TestParts:
    """The beginnings of epochs: every image of them is looked at as in a whole one."""

    @staticmethod
    def problem(case: Case, batches: Iterator[tuple[Pixels, Pixels]], came: int = 2 * BATCH) -> str | None:
        """Return what is wrong with the first two batches of an epoch."""
        return case.epoch(islice(batches, 2)).part_problem(came)

    def test_honest(self, case: Case) -> None:
        """As it was checked, or from a dump of JPEGs."""
        assert self.problem(case, case.batches()) is None
        assert self.problem(case, case.batches(np.stack([jpeg(image) for image in case.images]))) is None

    def test_an_image_twice(self, case: Case) -> None:
        """Each should come once."""
        problem = self.problem(case, case.batches(order=[*range(15), 3, *range(16, 60)]))
        assert problem is not None
        assert "1 images of a part of an epoch came too often, such as a/" in problem

    def test_other_images(self, case: Case) -> None:
        """A wrong label, what is no file, and what has lost its detail are found as in whole epochs."""
        assert "wrong label" in (self.problem(case, case.batches(labels=case.labels[::-1])) or "")
        assert "look like no file" in (self.problem(case, case.batches(255 - case.images)) or "")
        small = np.stack([blown_up(image, 20) for image in case.images])
        assert "not what they were" in (self.problem(case, case.batches(small)) or "")

    def test_what_was_not_looked_at(self, case: Case) -> None:
        """What is counted has been seen; without a checked epoch, labels are counted."""
        assert "expected the 17 that were counted" in (self.problem(case, case.batches(), 17) or "")
        unchecked = Fingerprints(case.tree, case.spec, UINT8, 5)
        case.prints = unchecked
        assert self.problem(case, case.batches()) is None
        of_one = np.zeros_like(case.labels)
        of_one[:, 0] = 1
        everything = case.epoch(case.batches(labels=of_one)).part_problem(60)
        assert "60 images of class 'a' came in a timed epoch, expected 20" in (everything or "")
