# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The earlier families and the ablations as configs, on sixteen drawings."""

import json
import math

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from padded import multimodal, unimodal
from small_tasks import CONFIGS, evaluate, train_small

from mmcoca.command_line import build_training
from mmcoca.datasets import AnnotationError, ImageLabelDataset
from mmcoca.datasets.shards.shard_names import without_braces
from mmcoca.models import ContrastivePooler
from mmcoca.models.word_attention import word_attention
from mmcoca.weights import load_safely

NUM_DRAWINGS = 16
ABLATIONS = sorted(path.stem for path in (CONFIGS / 'ablations').glob('*.py'))
TRAINED = [  # each with other parts; what differs from them are numbers
    f'{name}_tiny_icons'
    for name in ('parallel_poolers', 'queries_0', 'unimodal_1', 'cls_1_with_text')
]
PROBE = 'classification/coca_tiny_icons_frozen_topic'
IMAGE_TO_TEXT, TEXT_TO_IMAGE = 'i2t/retrieval/Recall@1', 't2i/retrieval/Recall@1'
EXACT = 'caption/exact_match'


def load(name, icon_data, folder, steps=12):
    """The config, trained and tested on the same drawings, which augmentation leaves as they are.
    """
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    cfg.work_dir = str(folder / 'work_dir')
    if 'tokenizer' in cfg.model:
        cfg.model.tokenizer.vocab_file = str(icon_data / 'tokenizer.json')
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.update(batch_size=NUM_DRAWINGS, num_workers=0, persistent_workers=False)
        dataset = loader.dataset.get('dataset', loader.dataset)  # without what repeats it
        dataset.pipeline = cfg.test_dataloader.dataset.pipeline
        if 'shards' in dataset:
            dataset.shards = str(icon_data / 'train')
        else:
            dataset.data_root = str(icon_data)
        if 'caption_key' in dataset:
            dataset.caption_key = 'caption'
        if isinstance(dataset.get('classes'), str):
            dataset.classes = str(icon_data / 'annotations' / 'names.txt')
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.train_cfg = dict(by_epoch=False, max_iters=steps)
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=steps)
    cfg.param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False)]
    return cfg


def learned(name, icon_data, folder):
    """The metrics after a short training."""
    cfg = load(name, icon_data, folder)
    return evaluate(cfg, train_small(cfg))


def test_single_encoder_and_frozen_probe_learn(icon_data, tmp_path):
    """The probe's encoder is the pretrained one, its pooler new, though of the same name."""
    cfg = load('paradigms/single_encoder_tiny_icons', icon_data, tmp_path / 'encoder')
    checkpoint = train_small(cfg)
    assert evaluate(cfg, checkpoint)['accuracy/top1'] == 100
    probe = load(PROBE, icon_data, tmp_path / 'probe')
    probe.model.backbone.init_cfg.checkpoint = checkpoint
    probe_checkpoint = train_small(probe)
    assert evaluate(probe, probe_checkpoint)['accuracy/top1'] == 100
    before, after = (load_safely(path)['state_dict'] for path in (checkpoint, probe_checkpoint))
    encoder = [name for name in before if name.startswith('backbone.')]
    assert len(encoder) > 20
    assert all(torch.equal(before[name], after[name]) for name in encoder)
    runner = build_training(probe)
    runner._init_model_weights()  # as training begins
    started = runner.model.state_dict()
    assert all(torch.equal(before[name], started[name]) for name in encoder)
    assert not torch.equal(before['neck.queries'], started['neck.queries'])


def test_dual_encoder_learns(icon_data, tmp_path):
    metrics = learned('paradigms/dual_encoder_tiny_icons', icon_data, tmp_path)
    assert metrics[IMAGE_TO_TEXT] == metrics[TEXT_TO_IMAGE] == 100
    assert EXACT not in metrics


def test_encoder_decoder_learns(icon_data, tmp_path):
    metrics = learned('paradigms/encoder_decoder_tiny_icons', icon_data, tmp_path)
    assert metrics[EXACT] == 100 and IMAGE_TO_TEXT not in metrics


@pytest.mark.parametrize('name', TRAINED)
def test_ablations_learn(name, icon_data, tmp_path):
    metrics = learned(f'ablations/{name}', icon_data, tmp_path)
    assert metrics[IMAGE_TO_TEXT] == metrics[TEXT_TO_IMAGE] == metrics[EXACT] == 100


@pytest.mark.parametrize('name', sorted({*ABLATIONS} - {*TRAINED}))
def test_ablations_train_all_their_parameters(name, icon_data, images):
    cfg = Config.fromfile(CONFIGS / 'ablations' / f'{name}.py')
    cfg.model.tokenizer.vocab_file = str(icon_data / 'tokenizer.json')
    torch.manual_seed(0)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    model.init_weights()
    texts = ('hot pepper', 'cat', 'person: blond hair', 'red heart')
    samples = [DataSample(gt_caption=text) for text in texts]
    losses = model.train()(images, samples, mode='loss')
    # At the start a guess among the vocabulary.
    weight, vocab_size = cfg.model.captioning_head.loss.loss_weight, cfg.model.text.vocab_size
    assert losses['loss_captioning'].item() == pytest.approx(weight * math.log(vocab_size), rel=0.2)
    sum(loss for name, loss in losses.items() if name.startswith('loss_')).backward()
    # Which of the tokens are read is no question where there is one.
    idle = ('quer', 'cross_attention_norm') if cfg.model.neck.num_queries == 1 else ()
    for part, parameter in model.named_parameters():
        is_trained = parameter.grad is not None and bool(parameter.grad.any())
        assert is_trained or any(word in part for word in idle), part


def changes(old, new, path=''):
    """Dotted names of what differs between two dictionaries."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return set() if old == new else {path}
    keys = {*old, *new}
    return set().union(*(changes(old.get(k), new.get(k), f'{path}.{k}'.strip('.')) for k in keys))


@pytest.mark.parametrize(
    'name, changed',
    [
        ('parallel_poolers', {'neck.mode'}),
        ('queries_1', {'neck.num_queries'}),
        ('queries_4', {'neck.num_queries'}),
        ('queries_16', {'neck.num_queries'}),
        ('queries_0', {'neck.type', 'neck.mode', 'neck.num_queries', 'text.memory_dims'}),
        ('unimodal_1', {'text.num_unimodal_layers', 'text.num_multimodal_layers'}),
        ('unimodal_3', {'text.num_unimodal_layers', 'text.num_multimodal_layers'}),
        ('cls_1_with_text', {'text.unimodal'}),
        ('cls_8', {'text.unimodal'}),
        ('loss_1to1', {'captioning_head.loss.loss_weight'}),
        (
            'loss_1to2',
            {'captioning_head.loss.loss_weight', 'contrastive_head.loss.loss_weight'},
        ),
    ],
)
def test_an_ablation_changes_one_thing(name, changed):
    reference, ablation = (
        Config.fromfile(CONFIGS / 'ablations' / f'{stem}_tiny_icons.py').to_dict()
        for stem in ('reference', name)
    )
    assert changes(reference, ablation) == {f'model.{part}' for part in changed}
    text = ablation['model']['text']
    assert text['num_unimodal_layers'] + text['num_multimodal_layers'] == 4


@pytest.mark.parametrize('family', ['dual_encoder', 'encoder_decoder', 'single_encoder'])
def test_a_family_changes_model_and_evaluation_alone(family):
    coca, other = (
        Config.fromfile(CONFIGS / name).to_dict()
        for name in ('paradigms/coca_tiny_icons.py', f'paradigms/{family}_tiny_icons.py')
    )
    assert coca['model']['backbone'] == other['model']['backbone']
    different = changes(coca, other)
    allowed = ('model.', 'val_evaluator', 'test_evaluator')
    if family == 'single_encoder':
        allowed += ('classes', *(f'{part}_dataloader.dataset' for part in ('train', 'val', 'test')))
    assert all(name.startswith(allowed) for name in different - {'find_unused_parameters'})


@pytest.mark.parametrize('name', ['paradigms/single_encoder_tiny_icons', PROBE])
def test_labels_of_both_splits_are_the_heads_classes(name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    train, val, test = (
        getattr(cfg, f'{part}_dataloader').dataset for part in ('train', 'val', 'test')
    )
    train = train.get('dataset', train)  # without what repeats it
    assert train.classes == val.classes == test.classes
    if name == PROBE:
        assert train.classes == sorted(set(train.classes))
        assert len(train.classes) == cfg.model.head.num_classes
        assert not set(without_braces(train.shards)) & set(without_braces(val.shards))
    else:
        assert cfg.model.head.num_classes == 1000  # as the converter writes


def test_contrastive_pooler():
    torch.manual_seed(0)
    pooler = ContrastivePooler(dims=8, memory_dims=6, num_heads=2)
    tokens = torch.randn(3, 5, 6)
    pooled, regional = pooler(tokens)
    assert regional is tokens and pooler.regional_dims == 6
    # By hand: one query over all tokens, each head's softmax of scaled products.
    inner = pooler.contrastive_pooler
    query = inner.attention.query(inner.queries).unflatten(-1, (2, 4))[0]
    key, value = (
        part.unflatten(-1, (2, 4)) for part in inner.attention.key_value(tokens).chunk(2, -1)
    )
    weights = (torch.einsum('hc,bnhc->bhn', query, key) / 2).softmax(dim=-1)
    read = torch.einsum('bhn,bnhc->bhc', weights, value).flatten(1)
    torch.testing.assert_close(pooled[:, 0], inner.norm(inner.attention.proj(read)))
    assert torch.equal(pooler.captioning_attention(tokens), torch.eye(5).expand(3, 1, 5, 5))


@pytest.fixture
def without_queries(icon_data):
    torch.manual_seed(0)
    cfg = Config.fromfile(CONFIGS / 'ablations/queries_0_tiny_icons.py')
    cfg.model.tokenizer.vocab_file = str(icon_data / 'tokenizer.json')
    init_default_scope(cfg.default_scope)
    return MODELS.build(cfg.model).eval()


@torch.no_grad()
def test_without_queries_captions_read_the_encoders_tokens(without_queries, images):
    model = without_queries
    tokens = model.backbone(images)[-1]
    assert torch.equal(model.pool(images)[1], tokens)
    memory = model.text.multimodal.project_memory(tokens)[0]
    assert memory.keys.shape == (4, 12, tokens.shape[1], 16)
    # Beam search with its caches scores a caption as the whole decoder does in one pass.
    for image, of_image in enumerate(model.generate_captions(images, num_beams=3, max_length=8)):
        caption = of_image[0]
        start = torch.tensor([model.tokenizer.start_id])
        token_ids = torch.cat([start, caption.token_ids])[None]
        lengths = torch.tensor([token_ids.shape[1]])
        token_states, _ = unimodal(model.text, token_ids, lengths)
        states = multimodal(model.text, token_states, tokens[image:image + 1], lengths)
        expected = model.captioning_head(states[0, :-1]).log_softmax(dim=-1)
        expected = expected[range(len(caption.token_ids)), caption.token_ids]
        torch.testing.assert_close(caption.log_probabilities, expected, atol=1e-4, rtol=1e-4)
    attentions = word_attention(model, tokens, ['hot pepper'] * 4)
    for attention in attentions:
        assert attention.shape[1] == tokens.shape[1]
        torch.testing.assert_close(attention.sum(dim=1), torch.ones(len(attention)))


def test_regional_width_is_checked(without_queries, icon_data):
    cfg = Config.fromfile(CONFIGS / 'ablations/queries_0_tiny_icons.py').model
    cfg.tokenizer.vocab_file = str(icon_data / 'tokenizer.json')
    cfg.text.memory_dims = None
    with pytest.raises(ValueError, match='tokens are 128 wide, .* read 192'):
        MODELS.build(cfg)
    cfg.text.num_multimodal_layers, cfg.captioning_head = 0, None
    assert MODELS.build(cfg).text.multimodal is None  # no layer reads them


def write_lines(folder, rows):
    (folder / 'labels.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    return dict(ann_file='labels.jsonl', data_root=str(folder), check_images=False)


ROWS = [
    dict(image='b.png', kind='zebra'),
    dict(image='a.png', kind='ant'),
    dict(image='c.png', kind=['zebra', 'zebra'])
]


@pytest.mark.parametrize('test_mode', [False, True])
def test_image_labels(tmp_path, test_mode):
    files = write_lines(tmp_path, ROWS)
    dataset = ImageLabelDataset(label_key='kind', test_mode=test_mode, **files)
    assert dataset.metainfo['classes'] == ('ant', 'zebra')
    assert [dataset[i]['gt_label'] for i in range(len(dataset))] == [1, 0, 1]
    assert dataset[1]['gt_caption'] == 'ant' and dataset[1]['img_path'].endswith('a.png')
    # Classes of one's own; a part of the images has the classes of all.
    dataset = ImageLabelDataset(label_key='kind', classes=['zebra', 'bee', 'ant'], **files)
    assert dataset.get_gt_labels().tolist() == [0, 2, 0]
    dataset = ImageLabelDataset(label_key='kind', classes=['ant'], skip_others=True, **files)
    assert [item['gt_caption'] for item in dataset] == ['ant']
    (tmp_path / 'classes.txt').write_text('\nant \nbee\n', encoding='utf-8-sig')
    of_file = dict(classes=str(tmp_path / 'classes.txt'), skip_others=True)
    dataset = ImageLabelDataset(label_key='kind', **of_file, **files)
    assert dataset.metainfo['classes'] == ('ant', 'bee') and dataset[0]['gt_label'] == 0
    dataset = ImageLabelDataset(label_key='kind', indices=[0], **files)
    assert len(dataset) == 1 and dataset[0]['gt_label'] == 1


@pytest.mark.parametrize(
    'row, options, message',
    [
        (dict(image='d.png', kind=['ant', 'bee']), {}, "line 4: image .*d.png has two labels .*"
         "'ant' and 'bee'"),
        (dict(image='a.png', kind='bee'), {}, "line 4: image .*a.png has two labels"),
        (dict(image='./a.png', kind='bee'), {}, "line 4: image .*a.png has two labels"),
        (dict(image='d.png', kind='bee'), dict(classes=['ox'], skip_others=True),
         'no image has one of the classes'),
        (dict(image='d.png', kind='bee'), dict(classes=['ant', 'zebra']),
         r"line 4: label 'bee' \(kind\) is not among the 2 classes"),
        (dict(image='d.png', kind=''), {}, "line 4: 'kind' is '', not the name"),
        (dict(image='d.png', kind=3), {}, "line 4: 'kind' is 3, not the name"),
        (dict(image='d.png', kind=[]), {}, r"line 4: 'kind' is \[\], not the name"),
        (dict(image='d.png'), {}, "line 4: no 'kind'"),
        (dict(image='d.png', kind='ant'), dict(check_images=True), 'd.png does not exist'),
    ],
)  # yapf: disable
def test_mistakes_in_labels_are_named(tmp_path, row, options, message):
    files = write_lines(tmp_path, [*ROWS, row]) | options
    with pytest.raises(AnnotationError, match=message):
        ImageLabelDataset(label_key='kind', **files)
