# Mask R-CNN on COCO from CoCa-Base's encoder; ../_base_/tasks/detection_coco.py and
# ../_base_/schedules/detection_coco.py say what and whence.
_base_ = [
    '../coca_base_finetune.py',
    '../_base_/tasks/detection_coco.py',
    '../_base_/schedules/detection_coco.py',
]
from mmcoca.composition import join
from mmcoca.detector_sizes import fit_detector

join(_base_)
fit_detector(_base_.model)
