# CoCa-Base at 576 px, so with 1,024 image tokens: the second stage of section 4.1 of the paper.
_base_ = 'coca_base.py'
image_size = 576
pretrained = 'work_dirs/coca_base_576px/iter_10000.pth'

model = dict(backbone=dict(img_size=image_size))
image = _base_.image
image.load[0].reduce_to = image.load[0].svg_size = image_size
image.train[0].scale = image_size
image.test[0].scale = (image_size, image_size)
