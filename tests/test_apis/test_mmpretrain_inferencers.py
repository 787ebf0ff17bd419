# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""mmpretrain's own inferencers, unchanged, and ours, on our models and real drawings."""

import json

import cv2
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain import (
    FeatureExtractor,
    ImageCaptionInferencer,
    ImageToTextRetrievalInferencer,
    TextToImageRetrievalInferencer,
    get_model,
)

from mmcoca.apis import EmbeddingIndex, SearchInferencer, ZeroShotClassificationInferencer
from mmcoca.weights import weights_mark


@pytest.fixture(scope='module', params=['coca_tiny_emoji.py', 'open_clip_vit-b-p32.py'])
def model(request, repository, emoji_data):
    """A model as get_model leaves it, with its config; open_clip's with a layer in each stack."""
    torch.manual_seed(0)
    init_default_scope('mmpretrain')
    cfg = Config.fromfile(repository / 'configs' / 'coca' / request.param)
    if 'vocab_file' in cfg.model.tokenizer:
        cfg.model.tokenizer.vocab_file = str(emoji_data / 'tokenizer.json')
    else:
        cfg.model.text.update(num_unimodal_layers=1, num_multimodal_layers=1)
    cfg.model.generation.max_length = 8
    return get_model(cfg)


@pytest.fixture(scope='module')
def pairs(emoji_data):
    """Paths and captions of three test drawings."""
    annotations = json.loads((emoji_data / 'annotations' / 'test_artist.json').read_text('utf-8'))
    names = {image['id']: image['file_name'] for image in annotations['images']}
    chosen = annotations['annotations'][:3]
    paths = [str(emoji_data / 'images' / names[pair['image_id']]) for pair in chosen]
    return paths, [pair['caption'] for pair in chosen]


def encode(model, paths):
    """The model's embeddings of these files, through its config's test pipeline."""
    from mmengine.dataset import Compose, default_collate

    pipeline = Compose(model._config.test_dataloader.dataset.pipeline)
    batch = default_collate([pipeline(dict(img_path=path)) for path in paths])
    images = model.data_preprocessor(batch, False)['images']
    with torch.no_grad():
        return images, model.encode_image(images)


def test_caption_inferencer(model, pairs):
    paths, _ = pairs
    images, _ = encode(model, paths)
    results = ImageCaptionInferencer(model)(paths, batch_size=2)
    with torch.no_grad():
        expected = model.generate(images, max_length=8)
    assert [result['pred_caption'] for result in results] == expected
    results = ImageCaptionInferencer(model)([cv2.imread(path) for path in paths])
    assert [result['pred_caption'] for result in results] == expected


def test_feature_extractor(model, pairs):
    paths, _ = pairs
    images, embeddings = encode(model, paths)
    extractor = FeatureExtractor(model)
    torch.testing.assert_close(torch.stack(extractor(paths, batch_size=2)), embeddings)
    pixels = [cv2.imread(path) for path in paths]
    torch.testing.assert_close(torch.stack(extractor(pixels)), embeddings)
    tokens = extractor(paths[0], stage='backbone')[0][0]
    with torch.no_grad():
        torch.testing.assert_close(tokens, model.backbone(images[:1])[-1][0])
    global_tokens, regional_tokens = extractor(paths[0], stage='neck')[0]
    assert len(global_tokens) == 1 and len(regional_tokens) > 1
    with pytest.raises(ValueError, match="stage 'head' is unknown"):
        extractor(paths[0], stage='head')


def test_text_to_image_retrieval_inferencer(model, pairs):
    paths, captions = pairs
    _, embeddings = encode(model, paths)
    inferencer = TextToImageRetrievalInferencer(model, prototype=paths)
    matches = inferencer(captions, topk=3)
    with torch.no_grad():
        similarities = model.encode_text(captions) @ embeddings.T
    for row, of_query in zip(similarities, matches):
        assert [match['sample_idx'] for match in of_query] == row.argsort(descending=True).tolist()
        scores = torch.stack([match['match_score'] for match in of_query])
        torch.testing.assert_close(scores, row.sort(descending=True).values)


def test_image_to_text_retrieval_inferencer(model, pairs):
    paths, captions = pairs
    _, embeddings = encode(model, paths)
    inferencer = ImageToTextRetrievalInferencer(model, prototype=captions)
    matches = inferencer(paths, topk=3)
    with torch.no_grad():
        similarities = embeddings @ model.encode_text(captions).T
    for row, of_query in zip(similarities, matches):
        expected = [captions[place] for place in row.argsort(descending=True)]
        assert [match['text'] for match in of_query] == expected
    of_pixels = inferencer([cv2.imread(path) for path in paths], topk=3)
    assert [[match['text'] for match in of_query] for of_query in of_pixels
            ] == [[match['text'] for match in of_query] for of_query in matches]


def test_our_inferencers_notice_other_weights(model, pairs, tmp_path):
    """Classes are embedded anew; an index that other weights made is refused."""
    paths, captions = pairs
    classify = ZeroShotClassificationInferencer(model, captions, '{}')
    index = EmbeddingIndex(encode(model, paths)[1], paths, weights_mark(model))
    search = SearchInferencer(model, index)
    assert search(texts=captions[0])[0]['names'][0] in paths
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    try:
        with torch.no_grad():
            model.text.unimodal.cls_embedding.neg_()
        images, embeddings = encode(model, paths)
        with torch.no_grad():
            similarities = embeddings @ model.encode_text(captions).T
            expected = (model.contrastive_head.scale * similarities).softmax(dim=1)
        chances = torch.stack([torch.tensor(r['pred_scores']) for r in classify(paths)])
        torch.testing.assert_close(chances, expected)
        with pytest.raises(ValueError, match='made with other weights'):
            search(texts=captions[0])
        with pytest.raises(ValueError, match='made with other weights'):
            SearchInferencer(model, index)
        SearchInferencer(model, EmbeddingIndex(embeddings, paths))  # nothing known of its weights
    finally:
        model.load_state_dict(kept)
    search(paths[0])


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_inferencers_of_a_16_bit_model(dtype, model, pairs):
    """Images follow the model's type; answers stay near the float32 model's."""
    paths, captions = pairs
    _, expected = encode(model, paths)
    try:
        model.to(dtype)
        images, embeddings = encode(model, paths)
        assert images.dtype == dtype
        torch.testing.assert_close(embeddings, expected, rtol=0, atol=0.02)
        extracted = FeatureExtractor(model)(paths, batch_size=len(paths))
        torch.testing.assert_close(torch.stack(extracted), embeddings)
        assert isinstance(ImageCaptionInferencer(model)(paths)[0]['pred_caption'], str)
        texts = ImageToTextRetrievalInferencer(model, prototype=captions)(paths)
        drawings = TextToImageRetrievalInferencer(model, prototype=paths)(captions)
        assert len(texts) == len(drawings) == 3
        chances = ZeroShotClassificationInferencer(model, captions, '{}')(paths)[0]['pred_scores']
        assert sum(chances) == pytest.approx(1, abs=0.01)
        search = SearchInferencer(model, EmbeddingIndex(embeddings, paths, weights_mark(model)))
        assert search(paths[0])[0]['names'][0] == paths[0]
        assert len(search(texts=captions)) == 3
    finally:
        model.to(torch.float32)
