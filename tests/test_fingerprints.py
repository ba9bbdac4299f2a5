"""What is learned of a few pixels of every file: which are looked at, whose they are, who looks alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from loader_gate.registry.spec import Spec
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.fingerprints import FAR, Fingerprints, KnownFiles
from loader_gate.same_work.reference import INTERPOLATIONS, Bytes, Reference
from loader_gate.trees.tree import Tree

BYTES = DeclaredOutput(None, "uint8", (0, 255))


def prints(
    labels: Sequence[int],
    size: tuple[int, int] = (4, 4),
    seed: int = 5,
    declared: DeclaredOutput = BYTES,
) -> Fingerprints:
    """Return what has learned nothing yet of files of these classes."""
    paths = tuple(f"/tree/a/{number}.jpg" for number in range(len(labels)))
    tree = Tree(Path("/tree"), paths, tuple(labels), ("a", "b", "c"), "digest")
    return Fingerprints(tree, Spec(size, 8, shuffle=True, seed=0, cache_dir=Path()), declared, seed)


def flat(levels: Sequence[int], size: tuple[int, int] = (4, 4)) -> Bytes:
    """Return images of one grey level each."""
    return np.full((len(levels), *size, 3), np.reshape(levels, (-1, 1, 1, 1)), np.uint8)


def reference_of(pictures: dict[str, Bytes], picture_of: Sequence[int]) -> Reference:
    """Return a reference of these pictures."""
    count, height, width, _ = pictures["area"].shape
    sizes, rows = np.full((count, 2), (height, width)), np.arange(count)
    return Reference("digest", (height, width), np.array(picture_of), pictures, pictures, rows, sizes)


def levels_of(known: KnownFiles | None) -> list[int]:
    """Return the grey level of each file, whose fingerprint has to be of one."""
    assert known is not None
    assert (known.pixels == known.pixels[:, :1]).all()
    return [int(level) for level in known.pixels[:, 0]]


class TestPlaces:
    """The pixels that are looked at."""

    def test_all_of_a_small_image(self) -> None:
        """Sixteen pixels, no one twice, in the order of the image."""
        assert prints([0]).places.tolist() == list(range(16))
        assert prints([0], (2, 3)).places.tolist() == list(range(6))

    def test_of_the_session(self) -> None:
        """A session looks at the same in every process; another one, elsewhere."""
        one, same, other = (prints([0] * 50, (60, 90), seed) for seed in (1, 1, 2))
        assert one.places.tolist() == same.places.tolist() == sorted(one.places.tolist())
        assert one.places.tolist() != other.places.tolist()
        assert len({*one.places.tolist()}) == 16
        assert max(one.places) > 3000
        drawn = [one.drawn_image() for _ in range(20)]
        assert drawn == [same.drawn_image() for _ in range(20)] != [other.drawn_image() for _ in range(20)]

    def test_what_is_drawn(self) -> None:
        """Any epoch of a pass, and any image of it, or of its first ones."""
        found = prints([0] * 6)
        assert {found.drawn_epoch(3) for _ in range(60)} == {0, 1, 2}
        for images, expected in ((None, 6), (3, 3), (9, 6)):
            assert {found.drawn_image(images) for _ in range(120)} == set(range(expected))

    def test_a_sample(self) -> None:
        """Each drawn pixel of each image, whichever axis the channels are; of another shape, nothing."""
        images = np.arange(2 * 20 * 30 * 3, dtype=np.float32).reshape(2, 20, 30, 3)
        found = prints([0], (20, 30))
        expected = images.reshape(2, 600, 3)[:, found.places]
        np.testing.assert_array_equal(found.sample(images), expected)
        channels_first = prints([0], (20, 30), declared=DeclaredOutput(layout="NCHW"))
        np.testing.assert_array_equal(channels_first.sample(images.transpose(0, 3, 1, 2)), expected)
        for strange in (np.zeros(8, np.float16), np.zeros((8, 4, 4, 3), np.float16)):
            nothing = found.sample(strange)
            assert (nothing.shape, nothing.dtype) == ((0, 16, 3), np.dtype(np.float16))

    def test_levels(self) -> None:
        """Rounded to whole grey levels of 0 to 255; what is no number is 0."""
        found = prints([0], (1, 2), declared=DeclaredOutput(value_range=(-1, 1)))
        values = np.array([-1.2, -1, 1, 1.5, np.nan, 12.6 / 127.5 - 1]).reshape(1, 2, 3)
        levels = found.levels(np.concatenate([values, -values]))
        assert levels.dtype == np.uint8
        assert levels.tolist() == [[0, 0, 255, 255, 0, 13], [255, 255, 0, 0, 0, 242]]


class TestLearning:
    """Whose fingerprints they are."""

    def test_nothing_yet(self) -> None:
        """Nothing is known, nobody is told apart, and no image can be wrong."""
        found = prints([0, 0])
        assert found.known() is None
        assert (found.groups.tolist(), found.groups.dtype) == ([0, 0], np.dtype(np.int64))
        found.blur(4)
        assert found.whole_problem(flat([7])[0], 0) is None

    def test_in_any_order(self) -> None:
        """Batch by batch, the files are what has come for them, also of an epoch that follows."""
        found = prints([0, 0, 1, 0])
        named = np.array([2, 0])
        found.learn(flat([20, 0]), named)
        named[:] = 0  # a caller may use its memory again
        assert found.known() is None
        found.learn(flat([30, 10]), np.array([3, 1]))
        assert levels_of(found.known()) == [0, 10, 20, 30]
        assert found.groups.tolist() == [0, 1, 2, 3]
        found.learn(flat([1, 11, 21, 31]), np.arange(4))
        assert levels_of(found.known()) == [1, 11, 21, 31]

    def test_what_is_no_epoch(self) -> None:
        """One image too many, or one that is no file: nothing is learned of it, but of the next one."""
        found = prints([0, 0, 0])
        found.learn(flat([0, 10]), np.array([0, 1]))
        found.learn(flat([20, 30]), np.array([2, 2]))
        assert found.known() is None
        found.learn(flat([0, 10, 20]), np.array([0, 1, -1]))
        assert found.known() is None
        found.learn(flat([0, 10, 20]), np.arange(3))
        assert levels_of(found.known()) == [0, 10, 20]

    def test_named_for_another(self) -> None:
        """Of files of a class that were named for others it is open which is which."""
        found = prints([0, 0, 1, 1, 1, 0])
        # The images of files 3 and 1 were taken for 2 and 0; labels tell them apart.
        found.learn(flat([20, 0, 30, 10, 40, 50]), np.array([2, 0, 2, 0, 4, 5]))
        assert levels_of(found.known()) == [0, 10, 20, 30, 40, 50]
        assert found.groups.tolist() == [0, 0, 2, 2, 4, 5]
        known = found.known()
        assert known is not None
        assert known.mixed.tolist() == [True, True, True, True, False, False]

    def test_named_for_one_of_another_class(self) -> None:
        """Such an epoch is not learned from."""
        found = prints([0, 1, 0])
        found.learn(flat([0, 10, 20]), np.array([0, 0, 2]))
        assert found.known() is None

    def test_copies(self) -> None:
        """The check names the first of them, each under its label: which is which is known in turn."""
        pictures = dict.fromkeys(INTERPOLATIONS, flat([0, 50]))
        found = prints([0, 0, 0, 1, 2, 2])
        found.begin(reference_of(pictures, [0, 0, 1, 0, 0, 1]))
        found.learn(flat([0, 50, 0, 0, 0, 50]), np.array([0, 2, 0, 3, 4, 5]))
        known = found.known()
        assert levels_of(known) == [0, 0, 50, 0, 0, 50]
        assert known is not None
        assert not known.mixed.any()
        assert found.groups.tolist() == [0, 0, 2, 3, 4, 5]
        found.learn(flat([0, 50, 0, 0, 50, 0]), np.array([0, 2, 0, 3, 5, 5]))
        assert found.groups.tolist() == [0, 0, 2, 3, 4, 4]
        few = prints([0, 2])
        few.begin(reference_of(pictures, [1, 0]))
        few.learn(flat([0, 50]), np.array([1, 0]))
        assert levels_of(few.known()) == [50, 0]

    def test_blur(self) -> None:
        """Files that are within reach of each other are one group from then on."""
        found = prints([0, 0, 0, 1])
        found.learn(flat([0, 1, 9, 1]), np.arange(4))
        assert found.groups.tolist() == [0, 1, 2, 3]
        found.blur(0.5)
        assert found.groups.tolist() == [0, 0, 2, 3]
        found.blur(8)
        assert found.groups.tolist() == [0, 0, 0, 3]

    def test_saved(self, tmp_path: Path) -> None:
        """Another process knows the same; where nothing was learned, nothing; it opens nothing else."""
        found, other, unlearned = (prints([0, 0, 0, 1]) for _ in range(3))
        found.learn(flat([0, 9, 10, 10]), np.array([0, 0, 2, 3]))
        found.save(tmp_path / "learned")
        other.load(tmp_path / "learned")
        assert levels_of(other.known()) == [0, 9, 10, 10]
        assert other.groups.tolist() == found.groups.tolist() == [0, 0, 2, 3]
        unlearned.save(tmp_path / "nothing")
        unlearned.load(tmp_path / "nothing")
        assert unlearned.known() is None
        np.savez(tmp_path / "code.npz", pixels=np.array([{}]), mixed=np.zeros(1, bool))
        with pytest.raises(ValueError, match="allow_pickle"):
            unlearned.load(tmp_path / "code.npz")


class TestWhole:
    """The image of each epoch that is compared with the reference."""

    def test_a_copy(self) -> None:
        """It is taken into the memory of the one before, if it has the same form."""
        found = prints([0])
        first = found.copy_of(flat([7])[0])
        assert first.tolist() == flat([7])[0].tolist()
        assert found.copy_of(flat([9])[0]) is first
        assert first.tolist() == flat([9])[0].tolist()
        for image in (
            flat([7], (5, 4))[0],
            flat([300])[0].astype(np.float32),
            flat([7])[0].astype(np.float32),
        ):
            copy = found.copy_of(image)
            assert (copy.shape, copy.dtype) == (image.shape, image.dtype)
            assert copy.tolist() == image.tolist()

    @pytest.mark.parametrize(("name", "fits"), [("nearest", False), ("area", True), (None, True)])
    def test_interpolation(self, name: str | None, fits: bool) -> None:
        """The declared one counts, or any."""
        found = prints([0, 0], declared=DeclaredOutput(name, "uint8", (0, 255)))
        far = flat([200, 210])
        found.hold_against(reference_of({"nearest": far, "bilinear": far, "area": flat([0, 100])}, [0, 1]))
        found.groups = np.arange(2)
        problem = found.whole_problem(flat([101])[0], 1)
        if fits:
            assert problem is None
        else:
            assert problem is not None
            assert problem.startswith(
                "Of timed epochs: Pixels of 1 of 1 compared images differ from the reference for 'nearest', "
                "a/1.jpg the most: "
            )

    def test_look_alikes(self) -> None:
        """It may be any file of the group, and no other."""
        pictures = dict.fromkeys(INTERPOLATIONS, flat([0, 100, 200]))
        for file, groups, fits in ((1, [0, 0, 2], True), (1, [0, 1, 2], False), (2, [0, 0, 2], False)):
            found = prints([0, 0, 0])
            found.hold_against(reference_of(pictures, [0, 1, 2]))
            found.groups = np.array(groups)
            assert (found.whole_problem(flat([1])[0], file) is None) is fits

    def test_every_one_of_many(self) -> None:
        """However many files there are, each image that is drawn is compared."""
        found = prints([0] * 20_000)
        reference = reference_of(dict.fromkeys(INTERPOLATIONS, flat([0])), [0] * 20_000)
        for _ in range(10):
            found.hold_against(reference)
            assert found.whole_problem(flat([99])[0], 0) is not None

    def test_which_rows_are_looked_at(self) -> None:
        """Other ones in other sessions, so that nothing may be kept of those in the middle alone."""
        tall = np.random.default_rng(0).integers(0, 36, (1, 128, 16, 3)).astype(np.uint8)
        kept = np.full_like(tall[0], 18)
        kept[24:40], kept[88:104] = tall[0, 24:40], tall[0, 88:104]
        problems = []
        for seed in range(8):
            found = prints([0], (128, 16), seed)
            found.hold_against(reference_of(dict.fromkeys(INTERPOLATIONS, tall), [0]))
            assert found.whole_problem(tall[0], 0) is None
            problems.append(found.whole_problem(kept, 0))
        assert any("lack detail" in (problem or "") for problem in problems)


class TestKnownFiles:
    """Fingerprints under labels."""

    @staticmethod
    def known(levels: Sequence[int], labels: Sequence[int], mixed: Sequence[int] = ()) -> KnownFiles:
        """Return files of these levels and labels, of which some are mixed up."""
        is_mixed = np.isin(np.arange(len(levels)), mixed)
        return KnownFiles(pixels(levels), is_mixed, np.array(labels, np.int64))

    def test_slots(self) -> None:
        """The first file of a fingerprint under a label stands for all."""
        known = self.known([7, 7, 9, 7, 9], [0, 1, 0, 0, 0])
        assert (known.slots.tolist(), known.sizes.tolist()) == ([0, 1, 2, 0, 2], [2, 1, 2, 0, 0])

    def test_closest(self) -> None:
        """Exactly or nearly, of the same label; -1 where none is near or the label is unknown."""
        known = self.known([50, 50, 60, 200, 50], [0, 1, 0, 1, 0])
        slots, distances = known.closest(
            pixels([50, 50, 53, 58, 202, 120, 50, 100]), np.array([0, 1, 0, 0, 1, 0, 5, 0])
        )
        assert slots.tolist() == [0, 1, 0, 2, 3, -1, -1, 2]
        assert distances[[0, 1, 2, 3, 4, 7]].tolist() == pytest.approx([0, 0, 3, 2, 2, FAR])
        assert distances[5:7].min() > FAR
        assert {slots.dtype, distances.dtype} == {np.dtype(np.int64), np.dtype(np.float32)}
        slots, distances = known.closest(pixels([]), np.empty(0, np.int64))
        assert (len(slots), slots.dtype, len(distances)) == (0, np.dtype(np.int64), 0)

    def test_closest_of_all(self) -> None:
        """However far, whichever label."""
        files, distances = self.known([0, 50, 60], [0, 1, 0]).closest_of_all(pixels([53, 255]))
        assert (files.tolist(), distances.tolist()) == ([1, 2], pytest.approx([3, 195]))

    @pytest.mark.parametrize(
        ("reach", "pairs"),
        [(0.0, 0), (0.5, 1), (1.0, 1), (1.1, 2), (3, 3), (5, 4), (9, 5), (13, 6), (17, 7), (20, 7), (99, 7)],
    )
    def test_reach(self, reach: float, pairs: int) -> None:
        """It is taken in steps, the next one up; a smaller one later changes nothing."""
        gaps = [1, 2, 4, 8, 12, 16, 20, 21]
        levels = [level for gap in gaps for level in (100, 100 + gap)]
        known = self.known(levels, [number // 2 for number in range(16)])
        expected = [number for pair in range(8) for number in (2 * pair, 2 * pair + (pair >= pairs))]
        for _ in range(2):
            assert known.groups(reach).tolist() == expected
        assert known.groups(0.0).tolist() == expected
        assert known.groups(99).tolist() == [0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 15]

    def test_mixed(self) -> None:
        """Those that are mixed up are one group of each label, with whatever is near them."""
        known = self.known([0, 50, 100, 100, 150, 51, 200], [0, 0, 0, 1, 1, 0, 1], mixed=[0, 1, 3, 4])
        assert known.groups(0.0).tolist() == [0, 0, 2, 3, 3, 5, 6]
        assert known.groups(1.0).tolist() == [0, 0, 2, 3, 3, 0, 6]
        one = self.known([0, 50, 0, 9], [0, 0, 0, 0], mixed=[1])
        assert one.groups(0.0).tolist() == [0, 1, 0, 3]


def pixels(levels: Sequence[int]) -> Bytes:
    """Return fingerprints of one grey level each."""
    return np.repeat(np.array(levels, np.uint8)[:, np.newaxis], 48, axis=1)
