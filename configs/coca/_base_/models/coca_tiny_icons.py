# coca_tiny.py with the vocabulary of the icons' captions.
_base_ = 'coca_tiny.py'
vocab_size = 8192
pretrained = 'work_dirs/coca_tiny_icons/iter_975.pth'  # what coca_tiny_icons.py leaves

model = dict(
    tokenizer=dict(vocab_file='data/icons/tokenizer.json'),
    text=dict(vocab_size=vocab_size),
    captioning_head=dict(vocab_size=vocab_size),
)
