# As recognition_imagenet.py, without weight decay, as linear probes usually go.
_base_ = 'recognition_imagenet.py'

schedule = dict(optim_wrapper=dict(optimizer=dict(weight_decay=0.0)))
