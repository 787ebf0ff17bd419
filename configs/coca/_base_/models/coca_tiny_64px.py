# The tiny model for images of 64 px, of which nothing is pretrained.
_base_ = 'coca_tiny.py'
image_size = 64
pretrained = None

model = dict(backbone=dict(img_size=image_size))
image = _base_.image
image.load[0].reduce_to = image_size
image.train[0].scale = image_size
image.test[0].scale = (image_size, image_size)
