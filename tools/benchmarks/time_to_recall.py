# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Time to a recall on the default data: mmcoca's train.py beside open_clip's own training loop.

Both start from the same weights, of the smallest size, and take the same pairs, batch size, images,
optimizer and schedule. The pairs are two artists' drawings of 100 concepts, and those of a third
are to be found; with all 1,434 concepts open_clip's loop finds none in its first minutes. What each
has saved after an epoch is evaluated afterwards, by the same code. Time runs from the start of the
command to the checkpoint's writing.
"""

import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from mmcoca_contender import sized_config
from mmengine.config import Config
from mmpretrain.registry import DATASETS, MODELS
from open_clip_contender import OpenCLIPContender, model_config
from peers import peer_python
from report import Row, Settings
from sizes import SIZES
from torch import Tensor
from workers import with_threads

from mmcoca.evaluation.recall import recalls_from_ranks, relevant_ranks
from mmcoca.weights import from_open_clip, read_state_dict

SIZE = SIZES['smallest']
MODEL = 'coca_ViT-smallest'  # open_clip tells a CoCa, and a ViT's optimizer, by the name
ROOT = Path('data/emoji')
TRAIN, VAL = ROOT / 'annotations/train_dev.json', ROOT / 'annotations/val_dev.json'
FILES_ALONE = dict(data_root='', data_prefix=dict(img_path=''))  # rows hold whole paths
TRAIN_TOOL = Path(__file__).parents[1] / 'train.py'
CONCEPTS = 100
BATCH_SIZE = 32
LEARNING_RATE = 1e-3
EPOCHS = 30
WARMUP = 20  # steps
TOPK = 5
TARGETS = (10, 20, 30, 40)  # percent


def read_pairs(annotations: Path) -> list[tuple[str, str]]:
    """Image files and captions, of some concepts."""
    content = json.loads(annotations.read_text())
    files = {image['id']: image['file_name'] for image in content['images']}
    pairs = [
        (str(ROOT / 'images' / files[row['image_id']]), row['caption'])
        for row in content['annotations']
    ]
    captions = sorted({caption for _, caption in pairs})
    chosen = set(random.Random(0).sample(captions, CONCEPTS))
    return [(file, caption) for file, caption in pairs if caption in chosen]


def write_pairs(file: Path, pairs: list[tuple[str, str]]) -> None:
    """CSV, which both read."""
    with open(file, 'w', newline='') as table:
        csv.writer(table).writerows([('image', 'caption'), *pairs])


def our_config(weights: Path, pairs: Path, steps_an_epoch: int) -> Config:
    """open_clip_vit-b-p32.py, small, on the pairs."""
    cfg = sized_config(SIZE)
    pipeline = cfg.train_dataloader.dataset.pipeline
    pipeline[1].scale = SIZE.image_size
    cfg.train_dataloader.batch_size = BATCH_SIZE
    cfg.train_dataloader.num_workers = 1
    cfg.train_dataloader.dataset.update(FILES_ALONE, ann_file=str(pairs), pipeline=pipeline)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.train_cfg = dict(by_epoch=False, max_iters=EPOCHS * steps_an_epoch)
    cfg.optim_wrapper.optimizer.lr = LEARNING_RATE
    cfg.param_scheduler[0].end = cfg.param_scheduler[1].begin = WARMUP
    cfg.param_scheduler[1].end = EPOCHS * steps_an_epoch
    cfg.default_hooks.checkpoint.update(interval=steps_an_epoch, max_keep_ckpts=-1)
    cfg.load_from = str(weights)
    return cfg


def prepare(folder: Path) -> int:
    """Write the weights to start from, the pairs, and both configurations -> steps an epoch."""
    torch.manual_seed(0)
    weights = OpenCLIPContender(SIZE).model.state_dict()
    torch.save(weights, folder / 'open_clip.pt')
    torch.save(dict(state_dict=from_open_clip(weights)), folder / 'mmcoca.pth')
    pairs = read_pairs(TRAIN)
    write_pairs(folder / 'train.csv', pairs)
    write_pairs(folder / 'val.csv', read_pairs(VAL))
    (folder / f'{MODEL}.json').write_text(json.dumps(dict(model_config(SIZE), custom_text=True)))
    steps_an_epoch = len(pairs) // BATCH_SIZE
    cfg = our_config(folder / 'mmcoca.pth', folder / 'train.csv', steps_an_epoch)
    cfg.dump(folder / 'config.py')
    return steps_an_epoch


def commands(folder: Path, peers: Path) -> dict[str, list]:
    """How each is trained."""
    options = {
        'model': MODEL,
        'pretrained': folder / 'open_clip.pt',
        'train-data': folder / 'train.csv',
        'dataset-type': 'csv',
        'csv-separator': ',',
        'csv-img-key': 'image',
        'csv-caption-key': 'caption',
        'batch-size': BATCH_SIZE,
        'epochs': EPOCHS,
        'lr': LEARNING_RATE,
        'warmup': WARMUP,
        'precision': 'fp32',
        'workers': 1,
        'save-frequency': 1,
        'logs': folder,
        'name': 'open_clip',
        'coca-caption-loss-weight': 2.0,
        'coca-contrastive-loss-weight': 1.0,
    }
    words = [str(word) for name, value in options.items() for word in (f'--{name}', value)]
    loop = Path(__file__).with_name('open_clip_training.py')
    return {
        'mmcoca':
        [sys.executable, TRAIN_TOOL, folder / 'config.py', '--work-dir', folder / 'mmcoca'],
        'open_clip': [peer_python(peers), loop, folder / f'{MODEL}.json', *words],
    }


def train(name: str, command: list, folder: Path, threads: int) -> float:
    """Run a command -> when it began. Ends the program where it fails."""
    began = time.time()
    environment = with_threads(threads)
    with open(folder / f'{name}.log', 'w+') as log:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        if done.returncode:
            log.seek(0)
            lines = log.read().strip().splitlines()
            reasons = [line for line in lines if 'rror' in line] or lines or ['no message']
            sys.exit(f'error: the training of {name} failed: {reasons[-1]}')
    return began


def checkpoints(name: str, folder: Path, steps_an_epoch: int) -> list[Path]:
    """Those of each epoch."""
    epochs = range(1, EPOCHS + 1)
    if name == 'mmcoca':
        return [folder / f'mmcoca/iter_{epoch * steps_an_epoch}.pth' for epoch in epochs]
    return [folder / f'open_clip/checkpoints/epoch_{epoch}.pt' for epoch in epochs]


def read_weights(name: str, checkpoint: Path) -> dict[str, Tensor]:
    """In our layout."""
    weights = read_state_dict(str(checkpoint))
    return weights if name == 'mmcoca' else from_open_clip(weights)


class Evaluation:
    """Recall@5 on the drawings of an artist that training has not seen, the mean of directions."""

    def __init__(self, pairs: Path) -> None:
        cfg = sized_config(SIZE)
        self.model = MODELS.build(cfg.model).eval()
        cfg = cfg.test_dataloader.dataset
        cfg.pipeline[2].size = cfg.pipeline[3].size = SIZE.image_size
        dataset = DATASETS.build(dict(cfg, **FILES_ALONE, ann_file=str(pairs)))
        samples = [dataset[index] for index in range(len(dataset))]
        images = torch.stack([sample['inputs'] for sample in samples])
        self.images = self.model.data_preprocessor(dict(inputs=images))['images']
        self.captions = [caption for _, caption in read_pairs(VAL)]

    @torch.no_grad()
    def __call__(self, weights: dict[str, Tensor]) -> float:
        """In percent."""
        self.model.load_state_dict(weights)
        images = torch.cat([self.model.encode_image(part) for part in self.images.split(64)])
        texts = self.model.encode_text(self.captions)
        pairs = torch.arange(len(texts))[:, None].expand(-1, 2)
        ranks = relevant_ranks(images, texts, pairs), relevant_ranks(texts, images, pairs)
        return sum(recalls_from_ranks(r, (TOPK, ))[TOPK] for r in ranks) / 2


def measure(settings: Settings) -> Iterator[Row]:
    """Seconds to recalls that both reach, seconds of all epochs and the recall after them; one
    training each.
    """
    torch.set_num_threads(settings.threads)
    seconds, recalls = {}, {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps_an_epoch = prepare(folder)
        evaluate = Evaluation(folder / 'val.csv')
        for name, command in commands(folder, settings.peers).items():
            began = train(name, command, folder, settings.threads)
            files = checkpoints(name, folder, steps_an_epoch)
            seconds[name] = [file.stat().st_mtime - began for file in files]
            recalls[name] = [evaluate(read_weights(name, file)) for file in files]
    for target in TARGETS:
        if all(max(of_epochs) >= target for of_epochs in recalls.values()):
            first = {
                name: [next(s
                            for s, r in zip(seconds[name], recalls[name])
                            if r >= target)]
                for name in recalls
            }
            yield Row(f'time to Recall@{TOPK} of {target} %', 's', first)
    last = {name: [of_epochs[-1]] for name, of_epochs in seconds.items()}
    yield Row(f'time of {EPOCHS} epochs', 's', last)
    last = {name: [of_epochs[-1]] for name, of_epochs in recalls.items()}
    yield Row(f'Recall@{TOPK} after {EPOCHS} epochs', '%', last)
