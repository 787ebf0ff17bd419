# What every run shares. Qualified names are needed only for mmcoca's own classes.
default_scope = 'mmpretrain'

default_hooks = dict(
    runtime_info=dict(type='mmcoca.RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    throughput=dict(type='mmcoca.ThroughputHook'),
    utilization=dict(type='mmcoca.UtilizationHook'),
    logger=dict(type='LoggerHook', interval=50),
    finite_loss=dict(type='mmcoca.FiniteLossHook'),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='mmcoca.CheckpointHook', interval=1, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    resume=dict(type='mmcoca.ResumeHook'),
    unreadable_images=dict(type='mmcoca.UnreadableImagesHook'),
    visualization=dict(type='VisualizationHook', enable=False),
)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='UniversalVisualizer', vis_backends=vis_backends)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0, deterministic=False)
