# Mask R-CNN on scenes of icons, from the shipped model's encoder;
# ../_base_/tasks/detection_icon_scenes.py and ../_base_/schedules/detection_icon_scenes.py say what
# and whence. From a random encoder: --cfg-options load_from=None.
_base_ = [
    '../_base_/models/coca_small_icons.py',
    '../_base_/datasets/image_text_pairs.py',
    '../_base_/tasks/detection_icon_scenes.py',
    '../_base_/schedules/muon_tiny.py',
    '../_base_/schedules/detection_icon_scenes.py',
    '../_base_/default_runtime.py',
]
from mmcoca.composition import join
from mmcoca.detector_sizes import fit_detector

join(_base_)
fit_detector(_base_.model)
load_from = _base_.pretrained
