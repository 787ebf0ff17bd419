# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Parameters, gradients and the optimizer's state in parts, one for each process (FSDP2)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from mmengine.dist import is_main_process
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from torch.optim import Optimizer

from mmcoca.errors import SettingError
from mmcoca.models import ContrastiveHead
from mmcoca.models.activation_checkpointing import layers_and_poolers
from mmcoca.registry import MODEL_WRAPPERS

from .ema_hook import EMAHook
from .muon import Muon


@MODEL_WRAPPERS.register_module()
class FullyShardedModel(nn.Module):
    """A model of which each process keeps a part, and has the whole of a layer while it computes.

    torch's fully_shard (FSDP2) on each layer and pooler, and on what is left. The losses and
    gradients are those of DistributedDataParallel. Checkpoints hold whole tensors, gathered in the
    first process's memory, so that any number of processes with or without this wrapper reads them.
    For evaluation all processes hold the whole model.

    Args:
        module: The model, the same in each process, whose weights are drawn before it is sharded.
        reshard_after_forward: Let go of a layer's whole between forward and backward pass.
        device_ids: What MMEngine's runner hands over.
    """

    def __init__(
        self,
        module: nn.Module,
        reshard_after_forward: bool = True,
        device_ids: object = None,
    ) -> None:
        super().__init__()
        self.reshard_after_forward = reshard_after_forward
        if hasattr(module, 'init_weights'):
            module.init_weights()
        for tensor in (*module.parameters(), *module.buffers()):
            dist.broadcast(tensor.detach(), 0)
        self.scalars = give_scalars_a_dimension(module)
        device = next(module.parameters()).device.type
        options: dict[str, Any] = dict(
            mesh=init_device_mesh(device, (dist.get_world_size(), )),
            shard_placement_fn=along_longest,
        )
        for part in layers_and_poolers(module):
            fully_shard(part, reshard_after_forward=reshard_after_forward, **options)
        self.module = fully_shard(module, **options)
        for part in module.modules():
            if any(True for _ in part.parameters(recurse=False)):
                part.register_load_state_dict_pre_hook(self._share_out)
        self._is_whole = False
        self._heads = [part for part in module.modules() if isinstance(part, ContrastiveHead)]

    def forward(self, *args, **kwargs) -> Any:
        """The model's."""
        return self.module(*args, **kwargs)

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """The model's."""
        for head in self._heads:  # which bounds but a copy of its parameter within the step
            head.bound_scale()
        return self.module.train_step(data, optim_wrapper)

    def val_step(self, data: Any) -> list:
        """The model's."""
        return self.module.val_step(data)

    def test_step(self, data: Any) -> list:
        """The model's."""
        return self.module.test_step(data)

    def train(self, mode: bool = True) -> FullyShardedModel:
        """As in any module; in evaluation all of the model is whole, whatever method is called."""
        super().train(mode)
        if mode:
            self.share()
        elif not self._is_whole:
            root = self.module
            root._get_fsdp_state()._lazy_init()  # before a part of it is called by itself
            root.set_reshard_after_forward(False)
            for part in self._parts():
                part.unshard()
            self._is_whole = True
        return self

    def share(self) -> None:
        """Let go of what is of other processes."""
        if self._is_whole:
            for part in self._parts():
                part.reshard()
                part.set_reshard_after_forward(
                    self.reshard_after_forward and part is not self.module, recurse=False
                )
            self._is_whole = False

    def _parts(self) -> Iterator[FSDPModule]:
        return (part for part in self.module.modules() if isinstance(part, FSDPModule))

    def _share_out(self, part: nn.Module, state_dict: dict, prefix: str, *_) -> None:
        """Before a part takes whole tensors: what of them this process keeps."""
        for name, parameter in part.named_parameters(recurse=False):
            value = state_dict.get(prefix + name)
            if isinstance(parameter, DTensor) and isinstance(value, Tensor):
                state_dict[prefix + name] = like(value, parameter)

    @staticmethod
    def take_optimizer(optimizer: Optimizer) -> None:
        """Have it take a checkpoint's state in parts.

        Raises SettingError for Muon, which needs whole matrices.
        """
        if isinstance(optimizer, Muon):
            raise SettingError(
                'Muon orthogonalises whole matrices, of which FullyShardedModel leaves each '
                'process a part: use AdamW or mmcoca.Adafactor'
            )
        optimizer.register_load_state_dict_pre_hook(share_out_optimizer)

    def whole_state(self) -> dict[str, Tensor]:
        """The model's state, as without this wrapper, in the first process; every one must ask."""
        state = OrderedDict(whole(self.module.state_dict()))  # MMEngine wants such
        state.update((name, state[name].squeeze()) for name in self.scalars)
        return state

    def whole_optimizer_state(self, optim_wrapper: OptimWrapper) -> dict:
        """The optimizer's state, likewise."""
        state = whole(optim_wrapper.state_dict())
        scalars = {id(self.module.get_parameter(name)) for name in self.scalars}
        parameters = [p for group in optim_wrapper.param_groups for p in group['params']]
        for number, parameter in enumerate(parameters):
            if id(parameter) in scalars and number in state['state']:
                values = state['state'][number]
                values |= {k: v.squeeze() for k, v in values.items() if isinstance(v, Tensor)}
        return state


def give_scalars_a_dimension(module: nn.Module) -> list[str]:
    """Make parameters () of shape (1,), since others cannot be shared out -> their names."""
    names = [name for name, parameter in module.named_parameters() if parameter.dim() == 0]
    for name in names:
        parameter = module.get_parameter(name)
        owner = module.get_submodule(name.rpartition('.')[0])
        new = nn.Parameter(parameter.detach().view(1), parameter.requires_grad)
        setattr(owner, name.rpartition('.')[2], new)
    return names


def along_longest(parameter: nn.Parameter) -> Shard:
    """Share out a parameter along its longest dimension, where that divides equally.

    Of position embeddings (1,N,W) a part would else be all of them.
    """
    longest = max(range(parameter.dim()), key=lambda dim: parameter.shape[dim])
    is_divided = parameter.shape[longest] % dist.get_world_size() == 0
    return Shard(longest if is_divided else 0)


def like(value: Tensor, parameter: DTensor) -> DTensor:
    """A whole tensor, which every process has, laid out as a parameter."""
    value = value.to(parameter.device)
    value = value.view(1) if value.dim() == 0 else value
    return distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=None)


def share_out_optimizer(optimizer: Optimizer, state_dict: dict) -> dict:
    """Before an optimizer takes whole tensors: those as large as their parameter in parts."""
    parameters = [p for group in optimizer.param_groups for p in group['params']]
    numbers = [n for group in state_dict['param_groups'] for n in group['params']]
    state = dict(state_dict['state'])
    for number, parameter in zip(numbers, parameters):
        if number in state and isinstance(parameter, DTensor):
            state[number] = {
                name: value if name == 'step' else laid_out(value, parameter)
                for name, value in state[number].items()
            }
    return dict(state_dict, state=state)


def laid_out(value: Any, parameter: DTensor) -> Any:
    """A value of an optimizer: in parts if it is as large as the parameter, else in all processes.
    """
    if not isinstance(value, Tensor):
        return value
    if value.numel() == parameter.numel():
        return like(value, parameter)
    return DTensor.from_local(value.to(parameter.device), parameter.device_mesh)


def whole(value: Any) -> Any:
    """Tensors in parts, in dictionaries and lists, as whole ones on the CPU of the first process.

    Every process must ask for the same; the others get empty tensors in their place.
    """
    if isinstance(value, DTensor):
        value = value.detach().full_tensor()
        return value.cpu() if is_main_process() else torch.empty(0)
    if isinstance(value, Mapping):
        return {key: whole(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(whole, value))
    return value


@contextmanager
def whole_states(runner: Runner) -> Iterator[None]:
    """Within it the first process can save a checkpoint of a model in parts, without the others.

    MMEngine's runners ask model, optimizer and hooks for their state in the first process alone.
    May be entered again within: MMEngine saves the last checkpoint while it saves a best one.
    """
    model = runner.model
    if not isinstance(model, FullyShardedModel) or 'state_dict' in vars(model.module):
        yield
        return
    model.share()
    gathered = [
        (model.module, model.whole_state()),
        (runner.optim_wrapper, model.whole_optimizer_state(runner.optim_wrapper)),
        *((hook, whole(hook.state_dict())) for hook in runner.hooks if isinstance(hook, EMAHook)),
    ]
    for owner, state in gathered:
        owner.state_dict = lambda *args, _state=state, **kwargs: _state
    try:
        yield
    finally:
        for owner, _ in gathered:
            del owner.state_dict
