# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Generation against decoding without a cache and against searches that try everything."""

import itertools
import math

import pytest
import torch
from padded import multimodal, unimodal

from mmcoca.models import CaptioningHead, DecoupledTextDecoder
from mmcoca.models.generation.beam_search import beam_search
from mmcoca.models.generation.cached_decoder import CachedDecoder
from mmcoca.models.generation.constraints import Constraints
from mmcoca.models.generation.options import GenerationOptions
from mmcoca.models.generation.sampling import most_probable, sample

PAD, START, END = 0, 1, 2
LAYOUTS = dict(
    paper={},
    open_clip=dict(
        unimodal=dict(type='mmcoca.FixedLengthUnimodalDecoder'),
        multimodal=dict(type='mmcoca.TwoMLPMultimodalDecoder'),
    ),
)


class Tiny:
    """A random decoder over a vocabulary of a few tokens, in float64, and images."""

    def __init__(self, layout='paper', vocab_size=6, images=5):
        torch.manual_seed(0)
        self.vocab_size = vocab_size
        self.text = DecoupledTextDecoder(
            vocab_size, 16, 2, 32, 1, 1, max_length=12, **LAYOUTS[layout]
        ).double().eval()
        loss = dict(type='mmcoca.CaptioningLoss')
        self.head = CaptioningHead(loss=loss, vocab_size=vocab_size, dims=16).double()
        for parameter in (*self.text.parameters(), *self.head.parameters()):
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.5)
        self.image_tokens = torch.randn(images, 4, 16, dtype=torch.double)

    @torch.no_grad()
    def next_log_probabilities(self, image, token_ids):
        """Of the token after these, from the whole caption, without a cache: (V,)."""
        ids, length = torch.tensor([token_ids]), torch.tensor([len(token_ids)])
        states, _ = unimodal(self.text, ids, length)
        states = multimodal(self.text, states, self.image_tokens[image, None], length)
        return self.head(states[0, -1]).log_softmax(dim=-1)

    def search(self, images=None, prefix=(), max_length=12, banned=(), **options):
        options = GenerationOptions(**options)
        image_tokens = self.image_tokens if images is None else self.image_tokens[images]
        return (beam_search if options.num_beams > 1 else sample)(
            CachedDecoder(
                self.text,
                self.head,
                image_tokens,
                max_length,
                rows_per_image=max(options.num_beams, options.num_return_sequences),
            ),
            Constraints(options, END, banned),
            torch.tensor([START, *prefix]).expand(len(image_tokens), -1),
            END,
            PAD,
            max_length,
        )


def content(row):
    """The tokens of a padded row, up to its end token."""
    row = row.tolist()
    return row[:row.index(END) + 1] if END in row else row


def greedy_by_hand(tiny, image, max_length, min_length=0, prefix=()):
    token_ids = [START, *prefix]
    while len(token_ids) < max_length and token_ids[-1] != END:
        chances = tiny.next_log_probabilities(image, token_ids)
        if len(token_ids) <= min_length:
            chances[END] = -torch.inf
        token_ids.append(int(chances.argmax()))
    return token_ids


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize(
    'options',
    [dict(), dict(min_length=5, max_length=9),
     dict(prefix=(4, 3)),
     dict(max_length=2)],
)
def test_greedy_equals_decoding_without_a_cache(layout, options):
    tiny = Tiny(layout, images=12)
    found = tiny.search(**options)
    lengths = set()
    for image in range(12):
        expected = greedy_by_hand(tiny, image, **dict(dict(max_length=12), **options))
        assert content(found.token_ids[image, 0]) == expected
        lengths.add(len(expected))
    assert len(lengths) > 1 or 'max_length' in options  # images leave at different times


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('options', [dict(), dict(num_beams=3, num_return_sequences=3)])
def test_log_probabilities_are_those_of_the_uncached_model(layout, options):
    """Of every token, the forced prefix included, to 1e-9."""
    tiny = Tiny(layout)
    found = tiny.search(prefix=(5, ), repetition_penalty=1.3, min_length=3, **options)
    for image, sequence in itertools.product(range(5), range(found.token_ids.shape[1])):
        token_ids = content(found.token_ids[image, sequence])
        for place in range(1, len(token_ids)):
            expected = tiny.next_log_probabilities(image, token_ids[:place])[token_ids[place]]
            value = found.log_probabilities[image, sequence, place]
            torch.testing.assert_close(value, expected, atol=1e-9, rtol=0)
        assert not found.log_probabilities[image, sequence, len(token_ids):].any()


def every_caption(tiny, image, max_length):
    """All captions with end token, or cut at max_length, and their log-probabilities."""
    captions = []
    unfinished = [([START], 0.0)]
    while unfinished:
        token_ids, total = unfinished.pop()
        if token_ids[-1] == END or len(token_ids) == max_length:
            captions.append((token_ids, total))
            continue
        for token, chance in enumerate(tiny.next_log_probabilities(image, token_ids).tolist()):
            unfinished.append(([*token_ids, token], total + chance))
    return captions


@pytest.mark.parametrize('length_penalty', [0.0, 1.0, 2.5, -0.5])
def test_beam_search_equals_trying_every_caption(length_penalty):
    """With as many beams as there are prefixes nothing is lost, so the best five must be found."""
    tiny = Tiny(vocab_size=4, images=3)
    found = tiny.search(
        num_beams=4**4,
        num_return_sequences=5,
        max_length=5,
        length_penalty=length_penalty,
        early_stopping='never',
    )
    for image in range(3):
        captions = every_caption(tiny, image, 5)
        assert len(captions) == 1 + 3 + 9 + 27 * 4
        ranked = sorted(
            ((total / (len(ids) - 1)**length_penalty, ids) for ids, total in captions),
            reverse=True
        )
        for sequence, (score, token_ids) in enumerate(ranked[:5]):
            assert float(found.scores[image, sequence]) == pytest.approx(score)
            assert content(found.token_ids[image, sequence]) == token_ids


def beam_search_by_hand(tiny, image, beams, max_length, length_penalty, early_stopping):
    """Lists and loops; no groups."""
    running, ended = [([START], 0.0)], []
    for position in range(1, max_length):
        extended = [
            ([*ids, token], total + chance)
            for ids, total in running
            for token, chance in enumerate(tiny.next_log_probabilities(image, ids).tolist())
        ]
        extended = sorted(extended, key=lambda pair: -pair[1])[:2 * beams]
        for ids, total in extended[:beams]:
            if ids[-1] == END or position == max_length - 1:
                ended.append((total / position**length_penalty, ids))
        ended = sorted(ended, reverse=True)[:beams]
        running = [pair for pair in extended if pair[0][-1] != END][:beams]
        length = max_length - 1 if early_stopping == 'never' else position
        if len(ended) == beams and (
            early_stopping is True or running[0][1] / length**length_penalty <= ended[-1][0]
        ):
            break
    return ended


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('early_stopping', [True, False, 'never'])
def test_beam_search_equals_lists_and_loops(layout, early_stopping):
    tiny = Tiny(layout, images=6)
    found = tiny.search(
        num_beams=3, num_return_sequences=3, length_penalty=0.8, early_stopping=early_stopping
    )
    for image in range(6):
        expected = beam_search_by_hand(tiny, image, 3, 12, 0.8, early_stopping)
        for sequence, (score, token_ids) in enumerate(expected):
            assert float(found.scores[image, sequence]) == pytest.approx(score)
            assert content(found.token_ids[image, sequence]) == token_ids


def test_one_group_of_one_beam_is_greedy():
    """A group of one beam, twice the same without a penalty."""
    tiny = Tiny()
    options = dict(early_stopping=True, length_penalty=0.0)
    found = tiny.search(num_beams=2, num_beam_groups=2, num_return_sequences=2, **options)
    greedy = tiny.search()
    for image in range(5):
        expected = content(greedy.token_ids[image, 0])
        first, second = (content(row) for row in found.token_ids[image])
        assert expected == first == second


def test_groups_without_a_penalty_are_copies():
    """Of the search with the beams of one, as a penalty too small to matter shows."""
    tiny = Tiny()
    options = dict(num_beams=6, num_beam_groups=3, num_return_sequences=6)
    copied = tiny.search(**options)
    searched = tiny.search(diversity_penalty=1e-12, **options)
    torch.testing.assert_close(copied.scores, searched.scores)
    for image in range(5):
        assert sorted(map(content, copied.token_ids[image])
                      ) == sorted(map(content, searched.token_ids[image]))


def test_diverse_groups_avoid_each_others_tokens():
    """By hand for groups of one beam: each group pays for the earlier groups' choices."""
    tiny = Tiny()
    penalty = 2.0
    found = tiny.search(
        num_beams=3,
        num_beam_groups=3,
        num_return_sequences=3,
        diversity_penalty=penalty,
        length_penalty=0.0,
        max_length=4,
        min_length=2,
    )
    for image in range(5):
        groups = [([START], 0.0) for _ in range(3)]
        for position in range(1, 4):
            counts = torch.zeros(6)
            for group, (ids, total) in enumerate(groups):
                chances = tiny.next_log_probabilities(image, ids)
                if position < 3:
                    chances[END] = -torch.inf
                chances = chances - penalty * counts
                token = int(chances.argmax())
                counts[token] += 1
                groups[group] = ([*ids, token], total + float(chances[token]))
        expected = sorted(groups, key=lambda pair: -pair[1])
        assert [content(row) for row in found.token_ids[image]] == [ids for ids, _ in expected]
        torch.testing.assert_close(
            found.scores[image],
            torch.tensor([total for _, total in expected]).double()
        )


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(num_beams=3),
        dict(num_beams=4, num_beam_groups=2, diversity_penalty=0.5, num_return_sequences=2),
        dict(do_sample=True, seed=3, num_return_sequences=2, top_k=4),
    ],
)
def test_an_image_does_not_depend_on_its_neighbours(options):
    tiny = Tiny(images=8)
    together = tiny.search(**options)
    for images in ([3], [7, 3, 0]):
        found = tiny.search(images=images, **options)
        for place, image in enumerate(images):
            for sequence in range(found.token_ids.shape[1]):
                assert content(found.token_ids[place, sequence]
                               ) == content(together.token_ids[image, sequence])


def test_draws_follow_the_distribution():
    """20,000 first tokens of one image, against the model's own chances."""
    tiny = Tiny(images=1)
    torch.manual_seed(0)
    found = tiny.search(do_sample=True, num_return_sequences=20_000, max_length=2, temperature=2.0)
    counts = torch.bincount(found.token_ids[0, :, 1], minlength=6) / 20_000
    expected = (tiny.next_log_probabilities(0, [START]) / 2).softmax(dim=-1)
    torch.testing.assert_close(counts.double(), expected, atol=0.015, rtol=0)


def test_seeds_reproduce_and_differ():
    tiny = Tiny()

    def draw(seed):
        return tiny.search(do_sample=True, seed=seed, num_return_sequences=4, min_length=6)

    assert torch.equal(draw(1).token_ids, draw(1).token_ids)
    assert not torch.equal(draw(1).token_ids, draw(2).token_ids)
    rows = draw(1).token_ids[0]
    assert len({tuple(row.tolist()) for row in rows}) > 1


def test_top_k_and_top_p_keep_what_they_say():
    logits = torch.tensor([[0.5, 0.05, 0.3, 0.15]]).log()

    def kept(top_k, top_p):
        values, token_ids = most_probable(logits, GenerationOptions(top_k=top_k, top_p=top_p))
        return set(token_ids[0][values[0].isfinite()].tolist())

    assert kept(2, 1.0) == {0, 2} and kept(0, 1.0) == kept(9, 1.0) == {0, 1, 2, 3}
    for top_p, expected in ((0.4, {0}), (0.5, {0}), (0.7, {0, 2}), (0.9, {0, 2, 3})):
        assert kept(0, top_p) == expected
    assert kept(3, 0.7) == {0, 2}
    greedy = Tiny().search()
    found = Tiny().search(do_sample=True, top_k=1)
    assert torch.equal(found.token_ids, greedy.token_ids)


@pytest.mark.parametrize('search', [dict(), dict(num_beams=4), dict(do_sample=True, seed=0)])
def test_constraints_hold(search):
    tiny = Tiny(images=8)
    plain = tiny.search(min_length=8, **search).token_ids[:, 0]

    def ngrams(row, size):
        row = row.tolist()
        return [tuple(row[i:i + size]) for i in range(len(row) - size + 1)]

    assert any(len(set(ngrams(row, 2))) < len(ngrams(row, 2)) for row in plain)
    assert any((4, 5) in ngrams(row, 2) or (3, ) in ngrams(row, 1) for row in plain)
    for row in tiny.search(min_length=8, no_repeat_ngram_size=2, **search).token_ids[:, 0]:
        pairs = ngrams(torch.tensor(content(row)), 2)
        assert len(set(pairs)) == len(pairs)
    for row in tiny.search(min_length=8, banned=[(4, 5), (3, )], **search).token_ids[:, 0]:
        assert (4, 5) not in ngrams(row, 2) and (3, ) not in ngrams(row, 1)
    for row in tiny.search(min_length=7, max_length=9, **search).token_ids[:, 0]:
        assert 9 <= len(content(row)) <= 9
    for row in tiny.search(prefix=(5, 5, 3), **search).token_ids[:, 0]:
        assert row[:4].tolist() == [START, 5, 5, 3]


def test_repetition_penalty_by_hand():
    tiny = Tiny()
    found = tiny.search(repetition_penalty=1.7, max_length=6)
    for image in range(5):
        token_ids = [START]
        while len(token_ids) < 6 and token_ids[-1] != END:
            ids, length = torch.tensor([token_ids]), torch.tensor([len(token_ids)])
            with torch.no_grad():
                states, _ = unimodal(tiny.text, ids, length)
                states = multimodal(tiny.text, states, tiny.image_tokens[image, None], length)
                logits = tiny.head(states[0, -1])
            for token in set(token_ids):
                logits[token] = logits[token] / 1.7 if logits[token] > 0 else logits[token] * 1.7
            token_ids.append(int(logits.argmax()))
        assert content(found.token_ids[image, 0]) == token_ids


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(num_beams=0), 'num_beams=0 is less than 1'),
        (dict(temperature=0.0), 'temperature=0.0 is not positive'),
        (dict(temperature=math.nan), 'temperature=nan is not finite'),
        (dict(repetition_penalty=math.inf), 'repetition_penalty=inf is not finite'),
        (dict(length_penalty=math.nan), 'length_penalty=nan is not finite'),
        (dict(top_p=1.5), 'top_p=1.5'),
        (dict(top_k=-1), 'top_k=-1 is negative'),
        (dict(num_beams=3, num_beam_groups=2), 'num_beams=3 does not divide into 2 groups'),
        (dict(num_beams=2, num_return_sequences=3), 'num_return_sequences=3 of num_beams=2'),
        (dict(num_return_sequences=2), 'num_return_sequences=2 needs beams or do_sample'),
        (dict(num_beams=2, do_sample=True), 'do_sample is for num_beams=1, not 2'),
        (dict(early_stopping='always'), "early_stopping='always'"),
        (dict(banned_words='cat'), r"banned_words is a list of words: \['cat'\]"),
    ],
)
def test_options_that_contradict_themselves(options, message):
    with pytest.raises(ValueError, match=message):
        GenerationOptions(**options)


def test_captions_of_the_model(tiny_model, images):
    """Text, tokens and log-probabilities belong together; prefix and banned words are words."""
    captions = tiny_model.generate_captions(
        images, num_beams=3, num_return_sequences=2, prefix='hot pepper', min_length=4
    )
    assert [len(of_image) for of_image in captions] == [2, 2, 2, 2]
    for of_image in captions:
        assert of_image[0].score >= of_image[1].score
        for caption in of_image:
            assert caption.text.startswith('hot pepper')
            assert tiny_model.tokenizer.decode([caption.token_ids.tolist()]) == [caption.text]
            assert len(caption.log_probabilities) == len(caption.token_ids)
            assert caption.log_probability == pytest.approx(float(caption.log_probabilities.sum()))
    texts = tiny_model.generate(images, num_beams=3, num_return_sequences=2, prefix='hot pepper')
    assert isinstance(texts[0], list) and len(texts[0]) == 2
    word = 'pepper'
    (sequence, ) = tiny_model.tokenizer.encode([f' {word}'])
    with torch.no_grad():  # the likeliest token, whatever the image
        tiny_model.text.multimodal.norm.bias.fill_(1.0)
        tiny_model.captioning_head.weight[sequence[0]] = 1.0
    assert word in tiny_model.generate(images, max_length=6)[0]
    assert word not in tiny_model.generate(images, max_length=6, banned_words=[word])[0]
    with pytest.raises(ValueError, match='max_length 3 is not within 4..24'):
        tiny_model.generate(images, prefix='hot pepper', max_length=3)
    with pytest.raises(ValueError, match='a prefix of 41 tokens is too long: .* has 24 positions'):
        tiny_model.generate(images, prefix='hot pepper ' * 20)
    with pytest.raises(TypeError, match='num_beam'):
        tiny_model.generate(images, num_beam=2)


@pytest.mark.parametrize('options', [dict(), dict(num_beams=3, num_return_sequences=2)])
def test_a_prefix_for_each_image(tiny_model, images, options):
    """Captions are those that each image has with its prefix alone, whatever their lengths."""
    prefixes = ['red', 'person: blond hair', '', 'hot pepper']
    together = tiny_model.generate_captions(images, prefix=prefixes, **options)
    for image, prefix, found in zip(images, prefixes, together):
        (alone, ) = tiny_model.generate_captions(image[None], prefix=prefix, **options)
        assert [caption.text for caption in found] == [caption.text for caption in alone]
        assert all(caption.text.startswith(prefix) for caption in found)
        for caption, other in zip(found, alone):
            torch.testing.assert_close(caption.log_probabilities, other.log_probabilities)
    spaced = tiny_model.generate(images, prefix=[f'{prefix} ' for prefix in prefixes], **options)
    assert spaced == tiny_model.generate(images, prefix=tuple(prefixes), **options)
    assert tiny_model.generate(images, prefix='red \n') == tiny_model.generate(images, prefix='red')


@pytest.mark.parametrize(
    'prefix, message',
    [
        (['red', 'blue'], '2 prefixes for 4 images'),
        ([], r'prefix=\[\]: give a text'),
        (['red', 3, '', ''], r"prefix=\['red', 3, '', ''\]: give a text, or a list"),
        (None, 'prefix=None: give a text'),
        (dict(a='red'), 'give a text'),
    ],
)
def test_prefixes_that_mean_nothing(tiny_model, images, prefix, message):
    with pytest.raises(ValueError, match=message):
        tiny_model.generate(images, prefix=prefix)
