# coca_tiny_emoji.py with AdamW for all parameters: what the orthogonalised steps of Muon give.
_base_ = [
    '_base_/models/coca_tiny.py',
    '_base_/datasets/emoji.py',
    '_base_/schedules/adamw_tiny.py',
    '_base_/default_runtime.py',
]
