# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What `export_onnx` wrote, run by onnxruntime."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from mmcoca.errors import UserError

from .onnx_export import DECODING_STEP, IMAGE_ENCODER, REMEDY, SETTINGS, TEXT_ENCODER


class OnnxModel:
    """A model's ONNX files on the CPU; arrays in and out.

    Args:
        folder: What `export_onnx` wrote.
        num_threads: Of onnxruntime; 0: as many as there are cores.

    Raises UserError without onnxruntime.
    """

    def __init__(self, folder: str | os.PathLike, num_threads: int = 0) -> None:
        try:
            from onnxruntime import InferenceSession, SessionOptions
        except ImportError as error:
            raise UserError(f'onnxruntime is missing: {REMEDY}') from error
        options = SessionOptions()
        options.intra_op_num_threads = num_threads
        self._image_encoder, self._text_encoder, self._step = (
            InferenceSession(str(Path(folder, name)), options)
            for name in (IMAGE_ENCODER, TEXT_ENCODER, DECODING_STEP)
        )
        self.settings = json.loads(Path(folder, SETTINGS).read_text(encoding='utf-8'))

    def encode_image(self, images: np.ndarray) -> np.ndarray:
        """Prepared images (B,3,height,width) -> embeddings (B,E)."""
        return self._image_encoder.run(['embeddings'], {'images': images})[0]

    def encode_text(self, token_ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Token ids (B,L) and lengths (B,) -> embeddings (B,E)."""
        return self._text_encoder.run(None, {'token_ids': token_ids, 'lengths': lengths})[0]

    def caption(self, images: np.ndarray) -> list[list[int]]:
        """Prepared images (B,3,height,width) -> each one's most probable tokens, one at a time.

        Without start and end.
        """
        memory = self._image_encoder.run(['memory'], {'images': images})[0]
        start, end = self.settings['start_id'], self.settings['end_id']
        token_ids = np.full((len(images), 1), start)
        caches = np.zeros(self.settings['cache_shape'], np.float32).repeat(len(images), axis=2)
        has_ended = np.zeros(len(images), bool)
        while token_ids.shape[1] < self.settings['max_length'] and not has_ended.all():
            inputs = {'token_ids': token_ids, 'caches': caches, 'memory': memory}
            logits, caches = self._step.run(None, inputs)
            next_ids = np.where(has_ended, end, logits.argmax(axis=1))
            has_ended |= next_ids == end
            token_ids = np.concatenate([token_ids, next_ids[:, None]], axis=1)
        return [row[1:(row + [end]).index(end)] for row in token_ids.tolist()]
