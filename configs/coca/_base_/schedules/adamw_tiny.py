# muon_tiny.py with AdamW for all parameters, and its own weight decay, chosen on the same data.
_base_ = 'muon_tiny.py'

optim_wrapper = dict(
    constructor='DefaultOptimWrapperConstructor',
    optimizer=dict(
        _delete_=True, type='AdamW', lr=1.6e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    ),
)
