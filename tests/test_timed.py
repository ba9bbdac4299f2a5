"""The cheap look at every batch of a timed epoch: honest loaders pass, each cheat fails with its sentence."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
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
from loader_gate.same_work.reference import build_reference
from loader_gate.same_work.timed import TimedEpoch
from loader_gate.same_work.words import DifferenceError
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


class TestPoints:
    """The search for the closest, and groups of near ones."""

    @pytest.fixture(params=[2048, 10])
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
    for number, image in enumerate(images):
        file = folder / "a" / f"{number:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    tree = Tree.read(folder, "digest")
    spec = Spec(SIZE, BATCH, shuffle=True, seed=0, cache_dir=tmp_path)
    reference = build_reference(tree, SIZE, tmp_path / "reference")
    prints = Fingerprints(tree, spec, UINT8, 3)
    prints.begin(reference)
    labels = np.ones((len(images), 1), np.float32)
    prints.learn(images, np.arange(len(images)))
    seen = np.zeros(SIZE, bool)
    seen.reshape(-1)[prints.places] = True
    empty = np.where(seen[:, :, np.newaxis], images, 90).astype(np.uint8)
    random = np.random.default_rng(1)
    for batches, problem in ((images, None), (empty, "Pixels of")):
        epoch = TimedEpoch(prints)
        order = random.permutation(len(images))
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            epoch.add(batches[some], labels[some], prints.sample(batches[some]))
        found = epoch.problem()
        assert found is None if problem is None else problem in (found or "")


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
