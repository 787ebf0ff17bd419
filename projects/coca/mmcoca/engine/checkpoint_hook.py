# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Checkpoints that a kill in the middle of their writing does not harm."""

from __future__ import annotations

import os

import mmengine.hooks
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from mmcoca.errors import SettingError
from mmcoca.registry import HOOKS

from .fully_sharded import whole_states
from .whole_files import whole_files, write_whole


@HOOKS.register_module()
class CheckpointHook(mmengine.hooks.CheckpointHook):
    """MMEngine's, but that its local files are whole whenever they are there.

    And an earlier checkpoint is removed only after the one that takes its place has been written.

    Raises SettingError where `save_best` names no metric of the evaluation.
    """

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        outdated = None
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                outdated = self._path_of(self.keep_ckpt_ids[0])
            self.keep_ckpt_ids.append(step)  # of a limited length: the first falls out
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        self.last_ckpt = self._path_of(step)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        with whole_files(), whole_states(runner):
            runner.save_checkpoint(
                self.out_dir,
                self.filename_tmpl.format(step),
                self.file_client_args,
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                by_epoch=self.by_epoch,
                backend_args=self.backend_args,
                **self.args,
            )
        if is_main_process():
            pointer = os.path.join(runner.work_dir, 'last_checkpoint')
            write_whole(self.last_ckpt.encode(), pointer)
            self._remove(outdated)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, float]) -> None:
        if not self.save_best:
            return
        for name in self.save_best:
            if name != 'auto' and name not in metrics:
                raise SettingError(
                    f"save_best of default_hooks.checkpoint is '{name}', but the metrics are "
                    f'{", ".join(metrics)}'
                )
        earlier = self._best_paths()
        self._set_best_paths(dict.fromkeys(earlier))  # or MMEngine would remove them first
        with whole_files(), whole_states(runner):
            super()._save_best_checkpoint(runner, metrics)
        best = self._best_paths()
        self._set_best_paths({name: best[name] or earlier[name] for name in best})
        if is_main_process():
            for path in set(earlier.values()) - set(self._best_paths().values()):
                self._remove(path)

    def _publish_model(self, runner: Runner, ckpt_path: str) -> None:
        with whole_files():
            super()._publish_model(runner, ckpt_path)

    def _best_paths(self) -> dict[str, str | None]:
        """The best checkpoint by each metric; MMEngine keeps a single one elsewhere than many."""
        if len(self.save_best) == 1:
            return {self.save_best[0]: self.best_ckpt_path}
        return dict(self.best_ckpt_path_dict)

    def _set_best_paths(self, paths: dict[str, str | None]) -> None:
        if len(self.save_best) == 1:
            (self.best_ckpt_path, ) = paths.values()
        else:
            self.best_ckpt_path_dict = paths

    def _path_of(self, step: int) -> str:
        return self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(step))

    def _remove(self, path: str | None) -> None:
        if path and self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif path and self.file_backend.isdir(path):  # of strategies that write folders
            self.file_backend.rmtree(path)
