# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The demo's page. Whatever a file is named or a model writes stands on it as text, not as HTML."""

from __future__ import annotations

import functools
import html
import os
from collections.abc import Callable

# Before gradio is loaded: nothing is told to anyone.
os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')
os.environ.setdefault('HF_HUB_DISABLE_TELEMETRY', '1')

import gradio as gr  # noqa: E402
import numpy as np  # noqa: E402

from mmcoca.datasets.transforms import UnreadableImageError  # noqa: E402
from mmcoca.errors import UserError  # noqa: E402

from .answers import Answers  # noqa: E402

TOP_K = 12
CANVAS = 320  # pixels a side
# All answers wait for each other: they share the model and the cores.
QUEUE = dict(concurrency_limit=1, concurrency_id='model')
FONTS = ['system-ui', 'sans-serif']  # the themes' own would come from elsewhere


class OnlyFromHere:
    """Tell browsers to fetch nothing from elsewhere, as gradio's page otherwise would."""

    POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"

    def __init__(self, app: Callable) -> None:
        self.app = app

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        """Pass a request on, and add the policy to its answer."""

        async def send_with_policy(message: dict) -> None:
            if message['type'] == 'http.response.start':
                policy = (b'content-security-policy', self.POLICY)
                message = dict(message, headers=[*message.get('headers', ()), policy])
            await send(message)

        await self.app(scope, receive, send_with_policy)


def told(answer: Callable) -> Callable:
    """An answer whose user's mistakes become a message on the page."""

    @functools.wraps(answer)
    def answer_or_tell(*inputs):
        try:
            return answer(*inputs)
        except (UserError, UnreadableImageError) as error:
            raise gr.Error(
                html.escape(without_folders(str(error))), print_exception=False
            ) from None

    return answer_or_tell


def without_folders(message: str) -> str:
    """A message that names an upload by its file alone, not by where the server keeps it."""
    return ' '.join(os.path.basename(word) if os.sep in word else word for word in message.split())


def drawn(canvas: dict | None) -> np.ndarray | None:
    """What stands on a canvas, (height,width,3) in RGB on white; None where nothing does."""
    if canvas is None or canvas.get('composite') is None:
        return None
    pixels = np.asarray(canvas['composite'])
    if pixels.shape[-1] == 4:
        opacity = pixels[..., 3:] / 255
        pixels = (opacity * pixels[..., :3] + (1 - opacity) * 255).round().astype(np.uint8)
    return pixels if (pixels != 255).any() else None


def build_page(answers: Answers) -> gr.Blocks:
    """A page with a tab for each thing that the model can do."""
    with gr.Blocks(
        title='mmcoca',
        theme=gr.themes.Default(font=FONTS, font_mono=['monospace']),
        analytics_enabled=False,
    ) as page:
        gr.Markdown('# mmcoca\nA small CoCa that names, finds and compares drawings.')
        if answers.index is not None:
            with gr.Tab('Search'):
                add_search(answers)
        with gr.Tab('Caption'):
            add_caption(answers)
        with gr.Tab('Classify'):
            add_classify(answers)
        if answers.vqa is not None:
            with gr.Tab('Ask'):
                add_ask(answers)
    return page.queue()


def file_box(elem_id: str, label: str = 'Image file') -> gr.File:
    """For an upload, which only our own reader opens."""
    return gr.File(label=label, type='filepath', height=140, elem_id=elem_id)


def add_search(answers: Answers) -> None:
    """By words, a file, a drawing, or several of them together."""
    with gr.Row():
        with gr.Column(scale=1):
            words = gr.Textbox(label='Words', placeholder='shopping cart', elem_id='words')
            upload = file_box('search_file', '… and, or instead, an image file')
            canvas = gr.Sketchpad(
                label='… or a drawing: take the pen',
                canvas_size=(CANVAS, CANVAS),
                brush=gr.Brush(colors=['#000000'], default_size=16),
                image_mode='RGBA',
                elem_id='canvas',
            )
            button = gr.Button('Search', variant='primary', elem_id='search')
        with gr.Column(scale=2):
            found = gr.Gallery(
                label=f'The nearest of {len(answers.index.names):,}',
                columns=4,
                elem_id='found',
                format='png',
            )

    @told
    def search(words, upload, canvas):
        return answers.search(words, upload, drawn(canvas), TOP_K)

    for event in (button.click, words.submit):
        event(search, [words, upload, canvas], found, **QUEUE)


def add_caption(answers: Answers) -> None:
    """A caption, its tokens, and what each word needs."""
    with gr.Row():
        with gr.Column(scale=1):
            upload = file_box('caption_file')
            button = gr.Button('Caption', variant='primary', elem_id='caption')
        with gr.Column(scale=2):
            text = gr.Textbox(label='Caption', elem_id='caption_text')
            tokens = gr.Dataframe(
                headers=['token', 'log-probability'], label='Tokens', interactive=False
            )
            needs = gr.Gallery(
                label='What each word needs: hiding the red makes it less probable',
                columns=4,
                elem_id='caption_needs',
                format='png',
            )

    @told
    def caption(upload):
        result = answers.caption(upload)
        rows = [[token.text, round(token.log_probability, 2)] for token in result.tokens]
        return result.text, rows, result.needs

    button.click(caption, upload, [text, tokens, needs], **QUEUE)


def add_classify(answers: Answers) -> None:
    """Classes in the user's words."""
    with gr.Row():
        with gr.Column(scale=1):
            upload = file_box('classify_file')
            names = gr.Textbox(
                label='Classes', placeholder='cat, dog, arrow left', elem_id='classes'
            )
            button = gr.Button('Classify', variant='primary', elem_id='classify')
        with gr.Column(scale=2):
            chances = gr.Label(label='Which of them', elem_id='chances')

    classify = told(answers.classify)
    for event in (button.click, names.submit):
        event(classify, [upload, names], chances, **QUEUE)


def add_ask(answers: Answers) -> None:
    """A question about an image."""
    with gr.Row():
        with gr.Column(scale=1):
            upload = file_box('ask_file')
            question = gr.Textbox(label='Question', elem_id='question')
            button = gr.Button('Ask', variant='primary', elem_id='ask')
        with gr.Column(scale=2):
            text = gr.Textbox(label='Answer', elem_id='answer')
            chance = gr.Number(label='Probability', precision=3)

    ask = told(answers.answer)
    for event in (button.click, question.submit):
        event(ask, [upload, question], [text, chance], **QUEUE)
