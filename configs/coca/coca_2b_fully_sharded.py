# coca_2b.py with parameters, gradients and the optimizer's state in parts, one for each process,
# and with activations computed again in the backward pass. The same lines serve any config.
_base_ = 'coca_2b.py'

model_wrapper_cfg = dict(type='mmcoca.FullyShardedModel')
model = dict(activation_checkpointing=['backbone', 'neck', 'text'])
