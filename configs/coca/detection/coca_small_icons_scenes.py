# Mask R-CNN on scenes of icons, from the shipped model's encoder;
# ../_base_/tasks/detection_icon_scenes.py and ../_base_/schedules/detection_icon_scenes.py say what
# and whence. From a random encoder: --cfg-options load_from=None.
_base_ = [
    '../coca_small_icons_finetune.py',
    '../_base_/tasks/detection_icon_scenes.py',
    '../_base_/schedules/detection_icon_scenes.py',
]
from mmcoca.composition import join
from mmcoca.detector_sizes import fit_detector

join(_base_)
fit_detector(_base_.model)
