# coca_tiny.py at 48 px, wider and deeper; its weights and vocabulary come with the package.
_base_ = 'coca_tiny.py'
vocab_size = 4096
image_dims = 192
image_size = 48
pretrained = 'mmcoca://coca_small_icons/model.safetensors'

image = _base_.image
image.load[0].svg_size = 64  # as the icons are drawn
image.train[0].scale = image_size
image.test[0].scale = (image_size, image_size)
model = dict(
    tokenizer=dict(vocab_file='mmcoca://coca_small_icons/tokenizer.json'),
    backbone=dict(
        arch=dict(
            embed_dims=image_dims,
            num_layers=4,
            num_heads=6,
            feedforward_channels=4 * image_dims,
        ),
        img_size=image_size,
        stem=dict(channels=(64, 64, 128, 192)),
    ),
    neck=dict(memory_dims=image_dims, num_heads=24),
    text=dict(vocab_size=vocab_size),
    # One matrix keeps the weights below 20 MB in 16 bits.
    captioning_head=dict(vocab_size=vocab_size, tie_embeddings=True),
)
