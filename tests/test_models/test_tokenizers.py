# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import copy
import json
import random

import open_clip
import pytest
from mmpretrain.registry import TOKENIZER
from tokenizers import Tokenizer

from mmcoca.models import CLIPTokenizer, TextTokenizer


@pytest.fixture(scope='module')
def captions(emoji_data):
    annotations = json.loads((emoji_data / 'annotations' / 'train.json').read_text('utf-8'))
    return sorted({annotation['caption'] for annotation in annotations['annotations']})


@pytest.fixture
def tokenizer(emoji_data):
    return TextTokenizer(str(emoji_data / 'tokenizer.json'), max_length=24)


def test_registered_in_mmpretrain(emoji_data):
    cfg = dict(type='mmcoca.TextTokenizer', vocab_file=str(emoji_data / 'tokenizer.json'))
    assert isinstance(TOKENIZER.build(cfg), TextTokenizer)


def test_round_trip_of_every_caption(tokenizer, captions):
    assert tokenizer.decode(tokenizer(captions).token_ids) == captions


def test_padding_to_the_longest_of_the_batch(tokenizer):
    token_ids, lengths = tokenizer(['cat', 'man with a very long and white beard'])
    assert token_ids.shape == (2, int(lengths.max())) and lengths[0] < lengths[1] < 24
    assert token_ids[0, 0] == tokenizer.start_id
    assert token_ids[0, lengths[0] - 1] == tokenizer.end_id
    assert (token_ids[0, lengths[0]:] == tokenizer.pad_id).all()
    assert tokenizer(['cat']).token_ids.tolist() == [token_ids[0, :lengths[0]].tolist()]


def test_long_text_is_cut_and_keeps_its_end(tokenizer):
    token_ids, lengths = tokenizer(['cat ' * 100])
    assert token_ids.shape == (1, 24) and lengths.tolist() == [24]
    assert token_ids[0, -1] == tokenizer.end_id


@pytest.mark.parametrize('text', ['', '   '])
def test_empty_text_names_its_row(tokenizer, text):
    if text == '':
        with pytest.raises(ValueError, match='text 1 of the batch is empty'):
            tokenizer(['cat', text])
    with pytest.raises(ValueError, match='no texts'):
        tokenizer([])
    with pytest.raises(ValueError, match='text 2 of the batch is empty'):
        CLIPTokenizer()(['cat', 'dog', text])


def test_text_that_is_no_string_names_its_row(tokenizer):
    with pytest.raises(TypeError, match='text 1 of the batch is float'):
        tokenizer(['cat', 3.5])


def test_one_text_for_a_list_is_an_error(tokenizer):
    with pytest.raises(TypeError, match=r"a list of texts is needed, not one text: \['cat'\]"):
        tokenizer('cat')


def test_bad_files(tmp_path, emoji_data):
    with pytest.raises(FileNotFoundError, match='nowhere.json'):
        TextTokenizer('nowhere.json')
    broken = tmp_path / 'broken.json'
    broken.write_text('{"model": ')
    with pytest.raises(ValueError, match='broken.json is not a tokenizer file'):
        TextTokenizer(str(broken))
    with pytest.raises(ValueError, match="no token '<s>'"):
        TextTokenizer(str(emoji_data / 'tokenizer.json'), start_token='<s>')


ODD = [
    'It’s a naïve “café” &amp; bar',
    "don't, THEY'LL rock'n'roll: 1,000 × $5.50 — 50%",
    'smile 😀 a\tb\n c',
    '&lt;b&gt;bold&amp;amp;nbsp;&#39;',
    '👩\u200d👩\u200d👧 👍🏽 🇧🇫',
    'é e\u0301 ﬁne ß ẞ ŉ ſ ǅ',
    'İstanbul ΟΔΟΣ σας',
    '１２３ ½ ² ٣ Ⅷ',
    'क्षि 漢字かな 한국어 עִברִית',
    'a\u200bb\u00a0c\u2028d \ufeffe',
    'Ã©tÃ© schÃ¶n',  # UTF-8 read as Latin-1
    'look!» a !~ b',  # "!" before more punctuation has the id of padding
    'start of text a < END_OF_TEXT > <|endoftext|>',
    'a' * 500,
    'a very long text ' * 100,
]


def random_strings(count):
    """Characters of many scripts, some of which are assigned in newer versions of Unicode only."""
    generator = random.Random(0)
    characters = [chr(c) for c in (*range(32, 0x3000), *range(0x1F300, 0x1FB00))]
    characters += list(' &<>;\'"!?#') * 100
    return [
        'x' + ''.join(generator.choices(characters, k=generator.randint(1, 20)))
        for _ in range(count)
    ]


def assert_ids_equal_open_clip(texts):
    ours, theirs = CLIPTokenizer(max_length=77), open_clip.get_tokenizer('ViT-B-32')
    token_ids, lengths = ours(texts)
    expected = theirs(texts, context_length=77)
    for row, length in enumerate(lengths.tolist()):
        assert token_ids[row, :length].tolist() == expected[row, :length].tolist(), texts[row]
        assert not expected[row, length:].any(), texts[row]


def test_clip_ids_equal_open_clip_on_real_prompts_odd_and_random_strings():
    prompts = [
        template(name)
        for number, name in enumerate(open_clip.IMAGENET_CLASSNAMES)
        for template in open_clip.OPENAI_IMAGENET_TEMPLATES[number % 16::16]
    ]
    assert len(prompts) > 4000
    assert_ids_equal_open_clip(prompts)
    assert_ids_equal_open_clip(ODD)
    assert_ids_equal_open_clip(random_strings(3000))


def test_clip_ids_equal_open_clip_on_captions(captions):
    assert_ids_equal_open_clip(captions)


def test_clip_decodes_its_ids():
    ours = CLIPTokenizer()
    assert (ours.start_id, ours.end_id, ours.pad_id, ours.vocab_size) == (49406, 49407, 0, 49408)
    assert ours.decode(ours(['a photo of a 😀 Café']).token_ids) == ['a photo of a 😀 café']


@pytest.mark.parametrize('is_special', [True, False])
def test_names_of_special_tokens_within_a_text_are_text(emoji_data, tmp_path, is_special):
    file = json.loads((emoji_data / 'tokenizer.json').read_text('utf-8'))
    for token in file['added_tokens']:
        token['special'] = is_special
    (tmp_path / 'tokenizer.json').write_text(json.dumps(file))
    ours = TextTokenizer(str(tmp_path / 'tokenizer.json'))
    text = 'a <eos> cat <pad> and <sos>'
    token_ids = ours([text]).token_ids
    assert copy.deepcopy(ours)([text]).token_ids.equal(token_ids)
    special = {ours.start_id, ours.end_id, ours.pad_id}
    assert not special & set(token_ids[0, 1:-1].tolist())
    assert ours.decode(token_ids) == [text]


def test_names_of_clips_special_tokens_within_a_text_are_text():
    ours = CLIPTokenizer()
    token_ids = ours(['a <start_of_text> b <END_OF_TEXT> c']).token_ids
    assert not {ours.start_id, ours.end_id} & set(token_ids[0, 1:-1].tolist())
    (text, ) = ours.decode(token_ids)
    assert text.replace(' ', '') == 'a<start_of_text>b<end_of_text>c'


def test_padding_and_truncation_of_the_file_are_switched_off(tokenizer, captions, tmp_path):
    file = Tokenizer.from_str(tokenizer.tokenizer.to_str())
    file.enable_padding(length=16, pad_id=7)
    file.enable_truncation(max_length=2)
    file.save(str(tmp_path / 'saved.json'))
    saved = TextTokenizer(str(tmp_path / 'saved.json'), max_length=24)
    for found, expected in zip(saved(captions), tokenizer(captions)):
        assert found.equal(expected)


@pytest.mark.parametrize('kind', ['file', 'clip'])
def test_half_a_character_is_an_error(kind, emoji_data):
    tokenizer = CLIPTokenizer()
    if kind == 'file':
        tokenizer = TextTokenizer(str(emoji_data / 'tokenizer.json'))
    for encode in (tokenizer, tokenizer.encode):
        with pytest.raises(ValueError, match=r"'a \\ud800' has half a character"):
            encode(['a cat', 'a \ud800'])
    assert tokenizer.encode(['😀'])[0]
