# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Names of classes, prompts around them, and answers, from files or published."""

from .answers import plain_answer, read_answers
from .class_names import class_names, prompt_templates
from .text_files import lines_of

__all__ = ['class_names', 'lines_of', 'plain_answer', 'prompt_templates', 'read_answers']
