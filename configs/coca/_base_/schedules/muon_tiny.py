# Muon for the matrices of small runs on the CPU, AdamW for embeddings, queries, norms and biases;
# chosen on train_dev / val_dev. Warm-up and cosine are adamw_tiny.py's.
_base_ = 'adamw_tiny.py'

optim_wrapper = dict(
    constructor='mmcoca.MuonConstructor',
    optimizer=dict(
        _delete_=True,
        type='mmcoca.Muon',
        lr=5e-3,
        fallback_lr_scale=0.32,  # AdamW's learning rate is 1.6e-3, as in adamw_tiny.py
        betas=(0.9, 0.98),
        momentum=0.95,
        # Of the temperature too, which so stays near 0.1 instead of sharpening.
        weight_decay=0.75,
    ),
)
