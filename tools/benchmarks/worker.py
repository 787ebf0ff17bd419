# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The side of a worker: one library's CoCa, which does what the lines of JSON on its stdin ask."""

import json
import os
import re
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from package_files import load, take_process_settings

take_process_settings()  # before torch is loaded

import torch  # noqa: E402
from contender import training_step  # noqa: E402
from products import share_of_products  # noqa: E402
from sizes import Size  # noqa: E402
from torch import Tensor  # noqa: E402

NAMES = {
    'mmcoca': ('mmcoca_contender', 'MMCoCaContender'),
    'open_clip': ('open_clip_contender', 'OpenCLIPContender'),
    'CoCa-pytorch': ('coca_pytorch_contender', 'CoCaPyTorchContender'),
}


def resident_bytes(field: str) -> int:
    """VmRSS, the memory in use, or VmHWM, the most so far."""
    status = Path('/proc/self/status').read_text()
    return 1024 * int(re.search(rf'{field}:\s+(\d+) kB', status)[1])


def seconds_of(work: Callable, *inputs) -> float:
    """How long the work takes, on a GPU too."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    work(*inputs)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


class Work:
    """What can be asked. Each is a method that returns a number, or nothing."""

    def __init__(self, name: str, size: Size) -> None:
        module, kind = NAMES[name]
        build = getattr(import_module(module), kind)
        self.start_bytes = resident_bytes('VmRSS')
        self.device = 'cpu'
        torch.manual_seed(0)
        self.contender = build(size)
        self.model = self.contender.model.train()
        self.step = training_step(self.model, self.contender.losses)
        self.image_size = size.image_size
        generator = torch.Generator().manual_seed(0)
        self.factor = torch.randn(2048, 2048, generator=generator)

    def draw_images(self, count: int) -> Tensor:
        """Noise (B,3,height,width), the same for every library."""
        shape = (count, 3, self.image_size, self.image_size)
        images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        return images.to(self.device)

    def use(self, device: str, is_compiled: bool) -> None:
        """Train on a device, in bfloat16 where it has it, and compiled as the library does it."""
        self.device = device
        self.model.to(device)
        if is_compiled:
            self.contender.compile()
        has_bfloat16 = device == 'cuda' or torch.cpu._is_avx512_bf16_supported()
        step = training_step(self.model, self.contender.losses)

        def step_in_bfloat16(*inputs) -> float:
            with torch.autocast(device, torch.bfloat16, enabled=has_bfloat16):
                return step(*inputs)

        self.step = step_in_bfloat16

    def largest_batch(self, captions: list[str]) -> int:
        """As many of the captions, by doubling, as two steps have memory for; 0: not even one."""
        self.model.train()
        fitting, count = 0, 1
        while count <= len(captions):
            try:
                for _ in range(2):
                    self.step(self.draw_images(count), captions[:count])
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                break
            fitting, count = count, 2 * count
        if self.device == 'cuda':
            torch.cuda.reset_peak_memory_stats()
        return fitting

    def parameters(self) -> int:
        """Their number."""
        return sum(p.numel() for p in self.model.parameters())

    def save(self, path: str) -> None:
        """Write the weights."""
        torch.save(self.model.state_dict(), path)

    def load_open_clip(self, path: str) -> None:
        """Take open_clip's weights."""
        self.contender.load_open_clip(path)

    @torch.no_grad()
    def losses(self, captions: list[str]) -> list[float]:
        """Their values, the smaller first."""
        losses = self.contender.losses(self.draw_images(len(captions)), captions)
        return sorted(loss.item() for loss in losses.values())

    def training_step(self, captions: list[str]) -> float:
        """Seconds."""
        self.model.train()
        return seconds_of(self.step, self.draw_images(len(captions)), captions)

    def step_operations(self, captions: list[str]) -> int:
        """Floating point operations of a step's products."""
        operations_of = load('operations').operations_of
        return operations_of(self.step, self.draw_images(len(captions)), captions)

    def step_share_of_products(self, captions: list[str]) -> float:
        """Part of a step's time."""
        return share_of_products(self.step, self.draw_images(len(captions)), captions)

    def product_rate(self) -> float:
        """Floating point operations a second of 20 products of 2048 x 2048 matrices, one after
        the other: some seconds, as a step.
        """

        def products() -> None:
            for _ in range(20):
                torch.mm(self.factor, self.factor)

        return 20 * 2 * len(self.factor)**3 / seconds_of(products)

    def peak_memory(self, captions: list[str]) -> float:
        """The most bytes in use in two steps, beyond the library's code."""
        self.model.train()
        images = self.draw_images(len(captions))
        for _ in range(2):
            self.step(images, captions)
        return self.memory_so_far()

    def checkpoint_activations(self) -> None:
        """Have steps compute activations again instead of keeping them."""
        self.contender.checkpoint_activations()

    def set_micro_batch_size(self, size: int | None) -> None:
        """Of mmcoca's model."""
        self.model.micro_batch_size = size

    def memory_so_far(self) -> float:
        """The most bytes in use until now, beyond the library's code; of a GPU, its own."""
        if self.device == 'cuda':
            return torch.cuda.max_memory_allocated()
        return resident_bytes('VmHWM') - self.start_bytes

    @torch.no_grad()
    def encode_images(self, captions: list[str]) -> float:
        """Seconds for as many images as captions."""
        self.model.eval()
        return seconds_of(self.contender.encode_images, self.draw_images(len(captions)))

    @torch.no_grad()
    def encode_texts(self, captions: list[str]) -> float:
        """Seconds for the captions."""
        self.model.eval()
        return seconds_of(self.contender.encode_texts, captions)

    @torch.no_grad()
    def generate(self, num_images: int, **options) -> float:
        """Seconds for captions of so many images."""
        self.model.eval()
        images = self.draw_images(num_images)
        start = time.perf_counter()
        self.contender.generate(images, **options)
        return time.perf_counter() - start


def main(name: str, size: str) -> None:
    """Answer until stdin ends."""
    answers = os.fdopen(os.dup(1), 'w')  # what libraries print must not come between
    os.dup2(2, 1)
    work = Work(name, Size(*json.loads(size)))
    print('null', file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(work, request.pop('work'))(**request)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
