# coca_tiny.py with the vocabulary of the icons' captions.
_base_ = 'coca_tiny.py'
vocab_size = 4096
pretrained = 'work_dirs/coca_tiny_icons/iter_650.pth'  # what coca_tiny_icons.py leaves

image = _base_.image
image.load[0].svg_size = 64  # as the icons are drawn
model = dict(
    tokenizer=dict(vocab_file='data/icons/tokenizer.json'),
    text=dict(vocab_size=vocab_size),
    captioning_head=dict(vocab_size=vocab_size),
)
