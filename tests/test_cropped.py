"""The check of loaders that augment: honest ones pass, each kind of wrong one fails with its sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loader_gate import random_box
from loader_gate.registry.spec import Spec
from loader_gate.same_work.cropped import (
    FORM,
    CroppedEpoch,
    Crops,
    arrays_of,
    check_crops,
    compared,
    is_augmented,
)
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.reference import Reference, build_reference, decode_box, resize_bilinear
from loader_gate.same_work.words import DifferenceError
from loader_gate.trees.tree import Tree
from loader_gate.worker.graph_feed import GraphFeed
from tests.sessions import ROOT

SIZE = (48, 64)
BATCH = 8
BILINEAR = DeclaredOutput("bilinear")
Batch = tuple[Any, ...]


def picture(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    """Return waves, discs and some texture, another for every seed."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 160
    waves = [random.uniform(3, 20, 3) * x[..., None], random.uniform(3, 20, 3) * y[..., None]]
    pixels = 128 + 70 * np.sin(waves[0] + waves[1] + random.uniform(0, 6, 3))
    for _ in range(12):
        disc = (x - random.random()) ** 2 + (y - random.random() * 0.75) ** 2 < random.uniform(0.001, 0.02)
        pixels[disc] = random.uniform(0, 255, 3)
    pixels += random.normal(0, 10, (height, width, 1))
    drawn: np.ndarray = pixels.clip(0, 255).astype(np.uint8)
    return drawn


class Case:
    """A tree, its reference, and an honest loader of it."""

    def __init__(self, folder: Path) -> None:
        """Write 48 images of three classes."""
        paths, labels = [], []
        for label, name in enumerate(("ant", "bee", "cat")):
            (folder / "tree" / name).mkdir(parents=True)
            for number in range(16):
                paths.append(str(folder / "tree" / name / f"{number:02}.png"))
                labels.append(label)
                Image.fromarray(picture(100 * label + number)).save(paths[-1])
        self.tree = Tree(folder / "tree", tuple(paths), tuple(labels), ("ant", "bee", "cat"), "made up")
        self.spec = Spec(SIZE, BATCH, shuffle=True, seed=1, cache_dir=folder, augment="crop-flip")
        self.reference: Reference = build_reference(self.tree, SIZE, folder / "reference")
        self.random = np.random.default_rng(5)

    def crops(self, declared: DeclaredOutput = BILINEAR) -> Crops:
        """Return what is known of a loader before its first epoch."""
        crops = Crops(self.tree, self.spec, declared, seed=0)
        crops.begin(self.reference)
        return crops

    def boxes(self) -> np.ndarray:
        """Return boxes of one epoch, in a new order."""
        order = self.random.permutation(len(self.tree))
        return np.array([(file, *random_box(120, 160, self.random)) for file in order], np.int32)

    def batches(
        self, boxes: Any = None, change: Callable[[Any], Any] = lambda each: each, did: Any = None
    ) -> Iterator[Batch]:
        """Yield an epoch.

        Args:
            boxes: What it says; drawn if not given.
            change: What is done to its images.
            did: The boxes of what it does, if others than it says.
        """
        boxes = self.boxes() if boxes is None else boxes
        did = boxes if did is None else did
        one_hot = np.eye(3, dtype=np.float32)
        for start in range(0, len(boxes), BATCH):
            some = slice(start, start + BATCH)
            images = [
                decode_box(self.tree.paths[row[0]], row[1:], SIZE, ("bilinear",))["bilinear"]
                for row in did[some].tolist()
            ]
            labels = one_hot[[self.tree.labels[row[0]] for row in boxes[some].tolist()]]
            yield change(np.stack(images).astype(np.float32) / 255), labels, boxes[some]

    def reason(self, batches: Any, declared: DeclaredOutput = BILINEAR) -> str:
        """Return why a first epoch fails."""
        reason = check_crops(batches, self.crops(declared)).reason
        assert reason is not None
        assert str(self.tree.root) not in reason
        assert "\n" not in reason
        return reason


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Return six batches of eight."""
    return Case(tmp_path_factory.mktemp("case"))


def timed(crops: Crops, batches: Any) -> CroppedEpoch:
    """Look at a timed epoch."""
    epoch = CroppedEpoch(crops)
    for images, labels, boxes in batches:
        epoch.add(images, labels, crops.sample(images), boxes)
    return epoch


class TestHonest:
    """Loaders that do what is asked."""

    def test_the_checked_epoch_and_many_more(self, case: Case) -> None:
        """All of a small tree is compared once, and some of every epoch; files are known."""
        crops = case.crops()
        found = check_crops(case.batches(), crops)
        assert (found.reason, found.images, found.compared, found.lowest_psnr) == (None, 48, 48, 100.0)
        assert found.detail == (1.0, 1.0)
        assert sorted(found.order.tolist()) == list(range(48))
        for _ in range(10):
            boxes = case.boxes()
            epoch = timed(crops, case.batches(boxes))
            assert epoch.problem() is None
            assert (epoch.order().dtype.name, epoch.order().tolist()) == ("int64", boxes[:, 0].tolist())

    def test_declared(self, case: Case) -> None:
        """Channels first, bytes and class numbers, if it says so."""
        declared = DeclaredOutput("bilinear", "uint8", (0, 255), layout="NCHW", labels="index")
        batches = (
            (np.rint(images * 255).astype(np.uint8).transpose(0, 3, 1, 2), labels.argmax(axis=1), boxes)
            for images, labels, boxes in case.batches()
        )
        assert check_crops(batches, case.crops(declared)).reason is None

    def test_the_interpolation_that_fits_best(self, case: Case) -> None:
        """It need not be declared."""
        assert check_crops(case.batches(), case.crops(DeclaredOutput())).interpolation == "bilinear"


class TestWrong:
    """Loaders that do something else."""

    def test_no_boxes(self, case: Case) -> None:
        """One that ignores ``spec.augment`` learns which line to add."""
        batches = list(case.batches())
        assert case.reason([*batches[:1], batches[1][:2]]) == (
            "Batch 2 is a tuple of 2, expected (images, labels, boxes), as spec.augment is 'crop-flip'. If "
            "your loader cuts and mirrors as asked, add yield images, labels, boxes to say what it did, with "
            f"{FORM}; docs/augment.md has an example. If it does not, measure it without --augment."
        )

    def test_whole_pictures(self, case: Case) -> None:
        """Images that were not cut, whatever their boxes say."""
        says = case.boxes()
        whole = says.copy()
        whole[:, 1:5] = 0, 0, 120, 160
        reason = case.reason(case.batches(says, did=whole))
        assert reason.startswith("Of images held against the parts that their boxes name: Pixels of ")
        assert reason.endswith(". They are the whole pictures.")

    def test_whole_pictures_that_say_so(self, case: Case) -> None:
        """Boxes that are always the whole picture are not drawn at random."""
        crops, reason = case.crops(), None
        for _ in range(12):
            boxes = case.boxes()
            boxes[:, 1:5] = 0, 0, 120, 160
            reason = reason or timed(crops, case.batches(boxes)).problem()
        assert reason is not None
        told = "With spec.augment, boxes are not drawn at random: their share of the picture's area is "
        assert reason.startswith(told)

    def test_the_middle(self, case: Case) -> None:
        """Boxes of any size, always in the middle."""
        crops, reason = case.crops(), None
        for _ in range(12):
            boxes = case.boxes()
            boxes[:, 1:3] = (np.array([120, 160]) - boxes[:, 3:5]) // 2
            reason = reason or timed(crops, case.batches(boxes)).problem()
        assert reason is not None
        assert "where they lie in the picture" in reason

    @pytest.mark.parametrize("flipped", [0, 1])
    def test_never_or_always_mirrored(self, case: Case, flipped: int) -> None:
        """Half of the time is asked for."""
        crops, reason = case.crops(), None
        for _ in range(4):
            boxes = case.boxes()
            boxes[:, 5] = flipped
            reason = reason or timed(crops, case.batches(boxes)).problem()
        assert reason is not None
        assert f"{flipped:.0%} of " in reason
        assert "expected about half" in reason

    def test_the_boxes_of_the_first_epoch(self, case: Case) -> None:
        """In another order, they are no new ones."""
        crops, boxes = case.crops(), case.boxes()
        assert check_crops(case.batches(boxes), crops).reason is None
        reason = timed(crops, case.batches(boxes[::-1])).problem()
        assert reason is not None
        assert "those of the same file in an earlier epoch" in reason

    def test_a_few_boxes_a_file(self, case: Case) -> None:
        """Ten parts of each file, drawn among, are no new ones either."""
        crops, reason = case.crops(), None
        pools = [case.boxes() for _ in range(10)]
        pools = [pool[pool[:, 0].argsort()] for pool in pools]
        for _ in range(20):
            chosen = case.random.integers(10, size=48)
            boxes = np.stack([pools[pool][file] for file, pool in enumerate(chosen)])
            reason = reason or timed(crops, case.batches(boxes[case.random.permutation(48)])).problem()
        assert reason is not None
        assert "in an earlier epoch" in reason

    def test_images_of_the_first_epoch_under_new_boxes(self, case: Case) -> None:
        """Boxes are drawn, images are not: some of each epoch are held against their files."""
        crops, did = case.crops(), case.boxes()
        assert check_crops(case.batches(did), crops).reason is None
        says = did.copy()
        says[:, 1:] = [random_box(120, 160, case.random) for _ in says]
        reason = timed(crops, case.batches(says, did=did)).problem()
        assert reason is not None
        assert "parts that their boxes name" in reason
        assert reason == reason.strip()

    def test_decoded_at_half_the_size(self, case: Case) -> None:
        """What was blown up lacks detail."""

        def blown_up(images: np.ndarray) -> np.ndarray:
            small = [resize_bilinear(np.rint(each * 255).astype(np.uint8), (24, 32)) for each in images]
            return np.stack([resize_bilinear(each, SIZE) for each in small]).astype(np.float32) / 255

        reason = case.reason(case.batches(change=blown_up))
        assert "parts that their boxes name" in reason

    @pytest.mark.parametrize("others", [4, 5])
    def test_mirrored_the_other_way_round(self, case: Case, others: int) -> None:
        """It is said if it would mend most of the first images that were looked at."""
        did = case.boxes()
        says = did.copy()
        says[3 : 3 + others, 5] = 1 - says[3 : 3 + others, 5]
        reason = case.reason(case.batches(says, did=did))
        hint = " They fit if the last number of a box is turned round: 1 is mirrored."
        assert reason.startswith("Of images held against the parts that their boxes name: Pixels of ")
        assert reason.endswith(f" dB, expected 30 or more.{hint if others == 5 else ''}")

    def test_top_and_left_swapped(self, case: Case) -> None:
        """It is said, though a part that begins there is one, too."""
        did = case.boxes()
        did[:, 1:5] = 0, 0, 60, 64
        did[:, 1:3] += case.random.integers(0, 60, (48, 2))
        says = did[:, [0, 2, 1, 3, 4, 5]]
        assert case.reason(case.batches(says, did=did)).endswith(
            ". They fit if top and left are swapped: a box is file, top, left, height, width, mirrored."
        )

    def test_the_file_that_differs_most(self, case: Case) -> None:
        """It is named."""
        batches = list(case.batches())
        images, _, boxes = batches[1]
        images[5] = 1 - images[5]
        name = case.tree.paths[boxes[5, 0]].removeprefix(f"{case.tree.root}/")
        assert case.reason(batches).startswith(
            "Of images held against the parts that their boxes name: Pixels of 1 of 48 compared images "
            f"differ from the reference for 'bilinear', {name} the most: "
        )

    def test_another_interpolation(self, case: Case) -> None:
        """Only a declared one has to be the one that fits."""
        batches = []
        for _, labels, boxes in case.batches():
            decoded = [decode_box(case.tree.paths[row[0]], row[1:], SIZE) for row in boxes.tolist()]
            images = np.stack([each["nearest"] for each in decoded]).astype(np.float32) / 255
            batches.append((images, labels, boxes))
        assert "differ from the reference for 'bilinear'" in case.reason(batches)
        found = check_crops(batches, case.crops(DeclaredOutput()))
        assert (found.reason, found.interpolation) == (None, "nearest")

    def test_a_file_twice(self, case: Case) -> None:
        """Every file once, by what the loader says."""
        boxes = case.boxes()
        boxes = boxes[boxes[:, 0].argsort()]
        boxes[[0, 47], 0] = 46
        assert case.reason(case.batches(boxes)) == (
            "By their boxes, 2 of 48 images are missing (ant/00.png, cat/15.png) and others came too often "
            "(cat/14.png 3 times, expected 1)."
        )
        boxes[0, 0] = 0
        assert case.reason(case.batches(boxes)) == (
            "By their boxes, 1 of 48 images are missing (cat/15.png) and others came too often "
            "(cat/14.png 2 times, expected 1)."
        )

    def test_labels(self, case: Case) -> None:
        """The first number of a box tells the label."""
        boxes = case.boxes()
        boxes = boxes[boxes[:, 0].argsort()]
        batches = ((images, np.roll(labels, 1, axis=1), some) for images, labels, some in case.batches(boxes))
        assert case.reason(batches) == (
            "48 images have a wrong label (ant/00.png came as 'bee', expected 'ant', ant/01.png came as "
            "'bee', expected 'ant', ant/02.png came as 'bee', expected 'ant'): is the first number of a box "
            "their file's?"
        )

    def test_too_few(self, case: Case) -> None:
        """An epoch has as many images as ever."""
        batches = list(case.batches())[:-1]
        assert case.reason(batches) == "40 images came in an epoch, expected the 48 of the tree."

    def test_nothing(self, case: Case) -> None:
        """Nothing is compared then, and nothing is in order."""
        found = check_crops([], case.crops())
        assert found.reason == "No images came in an epoch, expected the 48 of the tree."
        assert (found.images, found.interpolation, found.compared) == (0, None, 0)
        assert (found.order.dtype.name, found.order.shape) == ("int64", (0,))

    @pytest.mark.parametrize(
        ("column", "value", "expected"),
        [
            (
                0,
                48,
                "images that are cut out, a box is of file 48, expected 0 to 47: a position in tree.paths.",
            ),
            (1, -1, "a box has top -1"),
            (3, 121, "expected a part of its file's 120 rows and 160 columns"),
            (4, 0, "width 0"),
            (5, 2, "the last number of a box is 2, expected 1 if it is mirrored, else 0"),
        ],
    )
    def test_a_box_that_is_none(self, case: Case, column: int, value: int, expected: str) -> None:
        """It is no part of its file."""
        boxes = case.boxes()
        good = next(case.batches(boxes))
        bad = good[2].copy()
        bad[0, column] = value
        reason = case.reason([(good[0], good[1], bad)])
        assert reason.startswith("Of the images that are cut out, ")
        assert expected in reason

    @pytest.mark.parametrize(
        "change", [lambda boxes: boxes.astype(np.int64), lambda boxes: boxes[:, :5]], ids=["type", "shape"]
    )
    def test_the_form_of_boxes(self, case: Case, change: Callable[[Any], Any]) -> None:
        """It is one for all."""
        batches = [(images, labels, change(boxes)) for images, labels, boxes in case.batches()]
        assert case.reason(batches) == (
            f"The boxes of a batch are {batches[0][2].dtype} of shape {batches[0][2].shape}, expected int32 "
            f"of (8, 6): {FORM}."
        )

    def test_a_narrow_box(self, case: Case) -> None:
        """A width of half the height is not asked for."""
        boxes = case.boxes()
        boxes[:, 3:5] = 80, 40
        boxes[:, 1:3] = 5
        assert "have another size than spec.augment asks for" in case.reason(case.batches(boxes))

    def test_undeclared(self, case: Case) -> None:
        """The lines to add are named, as ever."""
        batches = [(images * 255, labels.argmax(axis=1), boxes) for images, labels, boxes in case.batches()]
        assert case.reason(batches).endswith(
            'If that is what is meant, add LABELS = "index" and VALUE_RANGE = (0, 255) to say so.'
        )

    def test_values(self, case: Case) -> None:
        """They are in the declared range."""
        reason = case.reason(case.batches(change=lambda images: images * 8))
        assert reason.startswith("Images of batch 1 have values from ")


class TestBefore:
    """What is known of a loader before its files' sizes are."""

    def test_boxes_are_not_judged(self, case: Case) -> None:
        """Images are all the same, and what is wrong with them is told without a hint."""
        boxes = case.boxes()
        boxes[:, 5] = 1
        assert timed(Crops(case.tree, case.spec, BILINEAR, 0), case.batches(boxes)).problem() is None
        says = boxes.copy()
        says[:, 5] = 0
        crops = Crops(case.tree, case.spec, BILINEAR, 0)
        reason = check_crops(case.batches(says, did=boxes), crops).reason
        assert reason is not None
        assert reason.endswith(" dB, expected 30 or more.")
        reason = check_crops(case.batches(change=lambda images: images * 255), crops).reason
        assert reason is not None
        assert reason.endswith(": are they 0 to 255, not divided by 255?")

    def test_what_is_drawn(self, case: Case) -> None:
        """A seed draws the same images, each once and in order, and the same boxes to hold others against."""
        one, other = case.crops(), case.crops()
        drawn = one.drawn(5).tolist()
        assert drawn == other.drawn(5).tolist() == sorted(set(drawn))
        assert len(drawn) == 5
        assert one.drawn(99).tolist() == list(range(48))
        assert one.boxes is not None
        assert other.boxes is not None
        boxes = case.boxes()
        assert one.boxes.problem(boxes) is other.boxes.problem(boxes) is None
        assert one.boxes.distances() == other.boxes.distances()
        assert one.groups.tolist() == list(range(48))


class Asked(Crops):
    """Remembers how many images were to be drawn, and looks for detail at a given place."""

    at = 0.5
    most = 0

    def drawn(self, most: int) -> Any:
        """Note how many."""
        self.most = most
        return super().drawn(most)

    def place(self) -> float:
        """Return where."""
        return self.at


@pytest.mark.parametrize(
    ("images", "compared", "expected"),
    [(1, None, 1), (63, None, 1), (64, None, 2), (288, None, 8), (9999, None, 8), (64, 5, 5)],
)
def test_how_many_are_held_against_their_files(
    case: Case, images: int, compared: int | None, expected: int
) -> None:
    """One of 32, from one to eight of an epoch; or as many as are asked for."""
    tree = Tree(Path("tree"), ("tree/a/0.png",) * images, (0,) * images, ("a",), "made up")
    crops = Asked(tree, case.spec, BILINEAR, 0)
    CroppedEpoch(crops, compared)
    assert crops.most == expected


def test_where_detail_is_looked_for(tmp_path: Path) -> None:
    """It is drawn anew each time: rows that lack it are found where they are looked at."""
    whole = picture(1, 128, 128)
    (tmp_path / "a").mkdir()
    file = str(tmp_path / "a" / "0.png")
    Image.fromarray(whole).save(file)
    tree = Tree(tmp_path, (file,), (0,), ("a",), "made up")
    spec = Spec((128, 128), 1, shuffle=False, seed=0, cache_dir=tmp_path, augment="crop-flip")
    image = whole.astype(np.float32)
    for row in [row for row in range(127) if row % 64 >= 16]:
        image[row, 1:-1] = (image[row, :-2] + image[row, 1:-1] + image[row, 2:]) / 3
    problems = []
    for at in (0.0, 1.0):
        crops = Asked(tree, spec, BILINEAR, 0)
        crops.at = at
        problems.append(compared(crops, [image], np.array([[0, 0, 0, 128, 128, 0]]), ("area",))[1])
    assert problems[0] is None
    assert "lack detail of the reference for 'area': a/0.png the most" in (problems[1] or "")
    honest = Crops(tree, spec, BILINEAR, 0)
    drawn = [honest.place() for _ in range(9)]
    assert len(set(drawn)) == 9
    assert 0 <= min(drawn) <= max(drawn) < 1


def test_the_loader_of_the_docs(case: Case) -> None:
    """It is honest, epoch after epoch; a generator is called anew for each, with another seed."""
    text = (ROOT / "docs" / "augment.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(text.partition("```python\n")[2].partition("```")[0], "augment.md", "exec"), names)  # noqa: S102
    crops = case.crops(DeclaredOutput())
    assert check_crops(names["crop_flip"](case.tree, case.spec), crops).reason is None
    for epoch in range(1, 6):
        spec = replace(case.spec, seed=case.spec.seed + epoch)
        assert timed(crops, names["crop_flip"](case.tree, spec)).problem() is None


def test_what_a_model_was_trained_on(case: Case) -> None:
    """Of images that did not come by, some pixels are known, which are held against their parts."""
    for is_honest in (True, False):
        crops = case.crops()
        epoch = CroppedEpoch(crops)
        did, says = case.boxes(), case.boxes()
        says[:, 0] = did[:, 0]
        for images, labels, boxes in case.batches(did if is_honest else says, did=did):
            epoch.keep(crops.sample(images), labels.argmax(axis=1), boxes)
        reason = epoch.problem()
        assert (reason is None) == is_honest, reason
        assert (epoch.order().dtype.name, epoch.order().tolist()) == ("int64", did[:, 0].tolist())


@pytest.mark.parametrize(
    ("declared", "interpolation", "off", "more", "expected"),
    [
        ("bilinear", "bilinear", 8, 0, None),
        ("bilinear", "bilinear", 8, 1, "are 8 grey levels off expected 8 or less."),
        ("bilinear", "bilinear", 9, 0, "are 9 grey levels off expected 8 or less."),
        ("bilinear", "nearest", 0, 0, "expected 8 or less."),
        (None, "nearest", 20, 0, None),
        (None, "nearest", 21, 0, "are 21 grey levels off expected 20 or less."),
    ],
)
def test_how_far_off_a_model_may_be_trained(
    case: Case, declared: str | None, interpolation: str, off: int, more: int, expected: str | None
) -> None:
    """As far as an image may be from its part, in the interpolation that is declared or fits best."""
    crops = case.crops(DeclaredOutput(declared, "uint8", (0, 255)))
    epoch = CroppedEpoch(crops, 6)
    for row in case.boxes().tolist():
        image = decode_box(case.tree.paths[row[0]], row[1:], SIZE)[interpolation]
        sample = crops.sample(image[np.newaxis])
        by = np.full(sample.shape, off, np.uint8)
        by.reshape(-1)[::13] += np.uint8(more)
        changed = np.where(sample < 128, sample + by, sample - by)
        epoch.keep(changed, np.array([case.tree.labels[row[0]]]), np.array([row], np.int32))
    reason = epoch.problem()
    if expected is None:
        assert reason is None
    else:
        at = " the parts that their boxes name, at the pixels looked at,"
        assert reason is not None
        assert reason.replace(at, "").endswith(expected)
        assert reason.startswith("Images that were trained on are ")


def test_a_model_keeps_the_boxes_of_what_it_is_trained_on(case: Case) -> None:
    """Of a loader that is no dataset, too."""
    pytest.importorskip("tensorflow")
    feed, crops = GraphFeed(case.tree, case.spec, BILINEAR), case.crops()
    for batch in feed.begin([*case.batches()], crops.places):
        feed.add(*batch)
    epoch = CroppedEpoch(crops)
    epoch.keep(*feed.seen(len(case.tree)))
    assert epoch.problem() is None


def test_a_spec_of_before() -> None:
    """Who knows of no ``augment`` wants whole pictures."""
    assert not is_augmented(object())  # type: ignore[arg-type]


def test_a_dictionary_is_no_batch() -> None:
    """What came is named."""
    for batch, what in (({"image": 1}, "dict of 1"), (np.zeros(3), "ndarray"), ([1, 2, 3, 4], "list of 4")):
        with pytest.raises(
            DifferenceError, match=rf"^Batch 3 is a {what}, expected \(images, labels, boxes\),"
        ):
            arrays_of(batch, 3)
    arrays = arrays_of([[1], (2, 3), np.array([4])], 3)
    assert [each.tolist() for each in arrays] == [[1], [2, 3], [4]]


def test_a_batch_of_which_no_pixels_can_be_taken(case: Case) -> None:
    """What is checked was looked at."""
    crops = case.crops()
    images, labels, boxes = next(case.batches())
    with pytest.raises(DifferenceError) as error:
        CroppedEpoch(crops).add(images, labels, crops.sample(images)[:7], boxes)
    assert str(error.value) == "A batch of shape (8, 48, 64, 3) came, of which no pixels can be taken."


def test_the_spec_that_is_asked_for(case: Case) -> None:
    """Whole pictures by default."""
    spec = case.spec
    assert is_augmented(spec)
    assert not is_augmented(replace(spec, augment="none"))
