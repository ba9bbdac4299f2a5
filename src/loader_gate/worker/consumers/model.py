"""Trains a model on the batches."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.same_work.cropped import is_augmented
from loader_gate.same_work.fingerprints import POINTS
from loader_gate.same_work.words import DifferenceError
from loader_gate.worker.array_feed import ArrayFeed
from loader_gate.worker.dataset import image_shape
from loader_gate.worker.gpu_use import gpu_use
from loader_gate.worker.graph_feed import GraphFeed
from loader_gate.worker.handed_over import busy_share
from loader_gate.worker.keras_settings import default_numbers
from loader_gate.worker.torch_loop import TorchLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from loader_gate.registry.spec import Spec
    from loader_gate.same_work.declared import DeclaredOutput
    from loader_gate.same_work.reference import Ints
    from loader_gate.trees.tree import Tree
    from loader_gate.worker.epoch import Epoch


@dataclass(frozen=True)
class ModelSettings:
    """What makes the work of a model the same.

    Attributes:
        width: MobileNetV2's width multiplier.
        weights: A weights file, ``imagenet``, or None for random ones: the arithmetic is the same.
        backend: What Keras has to run on.
        gpu: Whether that is a GPU, which nobody waits for before the last step.
        precision: Keras' policy of dtypes, such as ``mixed_bfloat16``.
        xla: Whether TensorFlow compiles the step by XLA, as JAX does in any case.
    """

    width: float
    weights: str | None
    backend: str = "tensorflow"
    gpu: bool = False
    precision: str = "float32"
    xla: bool = False


class Model:
    """The article's transfer learning, with Keras on any backend, on the CPU or a GPU.

    MobileNetV2 with its base frozen, then Flatten, Dense(256, relu) and Dense(classes), trained by Adam on
    the categorical cross-entropy of logits: by ``model.fit``, and on torch by a loop of torch.

    Attributes:
        loss: That of the last epoch, the mean over its images; None before one has ended.
    """

    loss: float | None = None

    def __init__(self, tree: Tree, spec: Spec, declared: DeclaredOutput, **settings: Any) -> None:
        """Build and compile the model, and run steps of each size of batch so that it is warm.

        Args:
            tree: Gives the number of classes and of images.
            spec: Gives image and batch size, and the seed of weights.
            declared: What the loader says it delivers.
            **settings: Those of `ModelSettings`.

        Raises:
            DifferenceError: Keras runs on another backend than it has to.
        """
        import keras

        self._settings, found = ModelSettings(**settings), keras.config.backend()
        backend = self._settings.backend
        if found != backend:
            raise DifferenceError(
                f"It has set Keras up to run on {found}, and everything in this session trains on {backend}: "
                f"leave KERAS_BACKEND as it is, or give --backend {found}."
            )
        self._spec, self._images = spec, len(tree)
        self._steps = math.ceil(len(tree) / spec.batch_size)
        self._feed = (
            GraphFeed(tree, spec, declared) if backend == "tensorflow" else ArrayFeed(declared, backend)
        )
        with default_numbers(self._settings.precision):
            self._build(tree, spec, declared)

    def _build(self, tree: Tree, spec: Spec, declared: DeclaredOutput) -> None:
        import keras

        weights = self._settings.weights
        base = keras.applications.MobileNetV2(
            input_shape=(*spec.image_size, 3), alpha=self._settings.width, include_top=False, weights=weights
        )
        base.trainable = False
        layers = keras.layers
        as_delivered = []  # what a training script would put before the model
        if declared.layout == "NCHW":
            as_delivered.append(layers.Permute((2, 3, 1)))
        if declared.dtype != "float32":
            as_delivered.append(layers.Rescaling(1 / 255 if declared.dtype == "uint8" else 1))
        # Logits are float32 whatever the policy, as Keras' guide to mixed precision wants it.
        logits = layers.Dense(len(tree.class_names), dtype="float32")
        head = [layers.Flatten(), layers.Dense(256, activation="relu"), logits]
        shape = image_shape(spec, declared)
        beginning = [keras.Input(shape, dtype=declared.dtype), *as_delivered] if as_delivered else []
        self._model = self._feed.sequential()([*beginning, base, *head])
        self._model.build((None, *shape))
        random = np.random.default_rng(spec.seed)
        for layer in (*(base.layers if weights is None else []), *head):
            _draw(layer, random, isinstance(layer, layers.DepthwiseConv2D))
        self._fit = (
            TorchLoop(self._model, self._settings.precision).fit
            if self._settings.backend == "torch"
            else self._compiled(declared)
        )
        whole, rest = spec.batch_size, len(tree) % spec.batch_size
        sizes = (whole, whole, *([rest] if rest else []))
        dark = [_dark(size, tree, spec, declared) for size in sizes]
        self._fit(self._feed.begin(dark, _nowhere()), keras.callbacks.Callback())
        self._feed.end()
        if self._settings.backend == "tensorflow":
            # It has counted one more when it made its graph; how far Adam goes depends on their number.
            self._model.optimizer.iterations.assign(len(sizes))

    def _compiled(self, declared: DeclaredOutput) -> Callable[[Any, Any], None]:
        """Compile the model, and return what trains it by ``model.fit``."""
        from keras import losses

        is_index = declared.labels == "index"
        loss_of = losses.SparseCategoricalCrossentropy if is_index else losses.CategoricalCrossentropy
        # The article's TensorFlow did not compile either; XLA would, anew for the last, smaller batch. JAX is
        # made to compile.
        is_compiled = self._settings.backend == "jax" or self._settings.xla
        self._model.compile(optimizer="adam", loss=loss_of(from_logits=True), jit_compile=is_compiled)

        def fit(data: Any, told: Any) -> None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
                self._model.fit(data, verbose=0, shuffle=False, callbacks=told)

        return fit

    def use_up(self, batches: Iterable[Any], epoch: Epoch) -> None:
        """Train for one epoch, timed until its data have ended and its last step is done."""
        import keras

        steps, size, clock, end = self._steps, self._spec.batch_size, epoch.stopwatch, self._ended
        since_it_came = self._feed.since_it_came
        came: list[float] = []
        use = self._read_gpu(epoch) if self._settings.gpu else None

        class Told(keras.callbacks.CallbackList):  # type: ignore[misc, unused-ignore]
            """In place of Keras' own list, which waits for each step to turn its loss into a number."""

            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 (Keras' names)
                clock.start()

            def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
                """Do nothing."""

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                at = clock.now()
                came.append(at - since_it_came())
                if epoch.first_batch is None:
                    epoch.first_batch = at
                clock.pause()
                epoch.alive()
                is_marked = epoch.count(size)
                clock.go_on()
                if is_marked:
                    float(logs["loss"])  # a GPU may still be at work: wait for it
                    epoch.mark()
                if batch >= steps or epoch.is_over:  # it does not end where it should, or is left early
                    self.model.stop_training = True

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
                loss = float((logs or {}).get("loss", 0.0))
                clock.stop(use)
                end(loss)

        told = Told(add_history=True, model=self._model)
        seen = epoch.seen  # nobody has to see batches that were there before: only the model works on them
        self._fit(self._feed.begin(batches, _nowhere() if seen is None else seen.fingerprints.places), told)
        self._feed.end()
        epoch.torn_down()
        if use is not None:
            sizes = [min(size, self._images - size * number) for number in range(steps)]
            number = min(len(came), steps)
            epoch.utilisation = busy_share(came[:number], sizes[:number], clock.seconds)
        if seen is not None:
            images = epoch.images if epoch.is_over else (steps + 1) * size
            seen.keep(*self._feed.seen(images))  # type: ignore[arg-type, call-arg, unused-ignore]

    def _ended(self, loss: float) -> None:
        self.loss = loss

    def _read_gpu(self, epoch: Epoch) -> Callable[[], None]:
        """Return what keeps what the GPU shows when it is called."""

        def read() -> None:
            epoch.gpu = gpu_use(self._settings.backend)

        return read


def _draw(layer: Any, random: np.random.Generator, is_depthwise: bool) -> None:
    """Draw the kernel of a layer, if it has one, uniformly as He et al. (2015) do.

    Each backend has random numbers of its own: these are the same on all. With Keras' default, after Glorot
    and Bengio (2010), next to nothing would be left of an image behind so many layers.
    """
    for weight in layer.weights:
        if len(weight.shape) > 1:
            *size, inputs, _ = weight.shape
            limit = math.sqrt(6 / (math.prod(size) * (1 if is_depthwise else inputs)))
            weight.assign(random.uniform(-limit, limit, weight.shape).astype(np.float32))


def _nowhere() -> Ints:
    return np.zeros(POINTS, np.int64)


def _dark(images: int, tree: Tree, spec: Spec, declared: DeclaredOutput) -> tuple[Any, ...]:
    """Return a batch of so many black images, all of one class."""
    pixels = np.zeros((images, *image_shape(spec, declared)), declared.dtype)
    classes = np.zeros(images, np.int64)
    labels = (
        classes if declared.labels == "index" else np.eye(len(tree.class_names), dtype=np.float32)[classes]
    )
    return pixels, labels, *([np.zeros((images, 6), np.int32)] if is_augmented(spec) else [])


CONSUMER = Model
