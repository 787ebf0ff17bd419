# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What a training step computes and keeps, told from its config.

The step is run on tensors without values (torch's FakeTensorMode), so that the largest model needs
neither memory nor time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from mmengine.optim import build_optim_wrapper
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from mmcoca.operations import operations_of
from mmcoca.registry import MODELS

from .activation_checkpointing import recomputed_parts
from .text import TextBatch


class StepCost(NamedTuple):
    """Of a step on B pairs: operations of both passes, and bytes kept from one for the other.

    Both grow with B but for a part, such as weights in 16 bits, that is the same for any.
    """

    operations: int
    activations: int


class StepWithoutValues:
    """A CoCa of which nothing but shapes exists.

    Args:
        model: Its config.
        recomputes: As its `activation_checkpointing` says; else nothing is computed twice.

    Attributes:
        model: It, with `micro_batch_size` as in the config.
    """

    def __init__(self, model: Mapping, recomputes: bool = False) -> None:
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        if not recomputes:
            model = {k: value for k, value in model.items() if k != 'activation_checkpointing'}
            model['backbone'] = {k: v for k, v in model['backbone'].items() if k != 'with_cp'}
        with self.mode:
            self.model = MODELS.build(model).train()

    @property
    def embed_dims(self) -> int:
        """E; 0 without a contrastive head."""
        head = self.model.contrastive_head
        if head is None:
            return 0
        with self.mode, torch.no_grad():
            return head.embed_image(torch.empty(2, 1, self.model.neck.dims)).shape[-1]

    def loss(self, num_pairs: int, text_length: int, dtype: torch.dtype) -> Tensor:
        """The loss of so many pairs, of texts of so many tokens, start and end included."""
        shape = num_pairs, text_length
        texts = TextBatch(torch.ones(shape, dtype=torch.long), torch.full(shape[:1], text_length))
        prepared = self.model.prepare((), [texts])
        is_16_bit = dtype != torch.float32
        with self.mode, torch.autocast('cpu', torch.bfloat16, enabled=is_16_bit):
            images = torch.empty(num_pairs, 3, *self.model.backbone.img_size)
            losses = self.model.losses(images, **prepared)
            return sum(value for name, value in losses.items() if 'loss' in name)

    def backward(self, loss: Tensor) -> None:
        """Its gradients, which then exist."""
        with self.mode:
            loss.backward()

    def cost(
        self, num_pairs: int, text_length: int, dtype: torch.dtype = torch.float32
    ) -> StepCost:
        """What a step costs; what micro-batches compute twice counts twice."""
        kept = {}
        parameters = {storage_of(p) for p in self.model.parameters()}

        def keep(tensor: Tensor) -> Tensor:
            if storage_of(tensor) not in parameters:
                kept[storage_of(tensor)] = tensor.untyped_storage().nbytes()
            return tensor

        def step() -> None:
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                loss = self.loss(num_pairs, text_length, dtype)
            self.backward(loss)

        # Of what is computed again, torch's checkpointing holds the inputs itself.
        handles = [
            part.register_forward_pre_hook(
                lambda _, inputs: [keep(x) for x in inputs if isinstance(x, Tensor)] and None
            ) for part in recomputed_parts(self.model)
        ]
        operations = operations_of(step)
        for handle in handles:
            handle.remove()
        return StepCost(operations, sum(kept.values()))

    def optimizer_bytes(self, optim_wrapper: Mapping) -> int:
        """What the optimizer of a config keeps after a step."""
        with self.mode:
            optimizer = build_optim_wrapper(self.model, dict(optim_wrapper)).optimizer
            for parameter in self.model.parameters():
                parameter.grad = torch.empty_like(parameter) if parameter.requires_grad else None
        optimizer.step()  # its counters have values, so that it is called outside the mode
        states = [value for state in optimizer.state.values() for value in state.values()]
        return sum(x.untyped_storage().nbytes() for x in states if isinstance(x, Tensor))


def storage_of(tensor: Tensor) -> int:
    """By which tensors of one memory are known."""
    return tensor.untyped_storage()._cdata
