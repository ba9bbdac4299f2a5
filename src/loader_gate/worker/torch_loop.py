"""How a model of Keras is trained on torch: by a plain loop, as users of torch write it, without ``fit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class TorchLoop:
    """Trains a model by torch's own Adam, cross-entropy and gradients; Keras only calls its layers.

    As in https://keras.io/guides/writing_a_custom_training_loop_in_torch/ and, of float16, in
    https://docs.pytorch.org/docs/stable/notes/amp_examples.html. No step asks for a number of the device.
    """

    def __init__(self, model: Any, precision: str) -> None:
        """Prepare to train what may be trained of a model, with the settings of Keras' own Adam.

        Args:
            model: It is built, and gives logits.
            precision: Its policy of dtypes: of ``mixed_float16``, losses are scaled.
        """
        import torch

        trained = [each for each in model.parameters() if each.requires_grad]
        device = trained[0].device.type
        self._model, self._loss_of = model, torch.nn.functional.cross_entropy
        # Of any other Adam than the fused one, the scaler waits for each step to learn if it is finite.
        self._adam = torch.optim.Adam(trained, lr=0.001, eps=1e-7, fused=device == "cuda")
        self._scaler = torch.amp.GradScaler(device, enabled=precision == "mixed_float16")

    def fit(self, batches: Iterable[tuple[Any, Any]], told: Any) -> None:
        """Train for one epoch.

        Args:
            batches: Images and labels, of which the latter are one-hot or classes, where the model is.
            told: A ``keras.callbacks.Callback``, which is told when the epoch begins and ends and a step has
                been handed over, with losses as tensors. It may set ``model.stop_training``.
        """
        model, adam, scaler = self._model, self._adam, self._scaler
        loss_of_all, images_of_all = 0.0, 0
        model.stop_training = False
        told.on_epoch_begin(0)
        for number, (images, labels) in enumerate(batches):
            adam.zero_grad()
            loss = self._loss_of(model(images, training=True), labels)
            scaler.scale(loss).backward()
            scaler.step(adam)
            scaler.update()
            loss_of_all += loss.detach() * len(images)
            images_of_all += len(images)
            told.on_train_batch_end(number, {"loss": loss.detach()})
            if model.stop_training:
                break
        told.on_epoch_end(0, {"loss": loss_of_all / max(1, images_of_all)})
