# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Of which metrics more is better, for MMEngine's hooks that look for the best checkpoint."""

from mmengine.hooks import CheckpointHook, EarlyStoppingHook

# Parts of the metrics' names, any case. MMEngine has accuracies ('acc', 'top') already.
GREATER_IS_BETTER = (
    'Recall@', 'CIDEr', 'BLEU', 'ROUGE', 'METEOR', 'SPICE', 'exact_match', 'f1-score'
)


def register_metric_rules() -> None:
    """Have `save_best` and `monitor` know these metrics, in configs that name MMEngine's hooks too.

    MMEngine leaves its lists to downstream packages for this. Nothing changes for metrics that it
    knew: for others it raised an error.
    """
    for hook in (CheckpointHook, EarlyStoppingHook):
        known = hook._default_greater_keys
        known += [name for name in GREATER_IS_BETTER if name not in known]
