# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""MSR-VTT: videos with twenty sentences each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from mmcoca.registry import DATASETS

from .annotation_files import AnnotationError, Row, parse_json, read_text
from .image_text_dataset import ImageTextDataset


@DATASETS.register_module()
class MSRVTT(ImageTextDataset):
    """As ImageTextDataset, of videos: an item's `video_path` is for `LoadVideoFrames`.

    Args:
        ann_file: The data set's own JSON: `videos` with `video_id` and `split`, `sentences` with
            `video_id` and `caption`.
        split: 'train', 'validate' or 'test'.
        **kwargs: As in ImageTextDataset; data_prefix['img_path'] holds <video_id>.mp4.
    """

    def __init__(self, ann_file: str, split: str, **kwargs) -> None:
        self.split = split
        super().__init__(ann_file, **kwargs)

    def read_rows(self) -> Iterator[Row]:
        """The split's videos and their sentences. Raises AnnotationError for another file."""
        content = parse_json(read_text(self.ann_file), self.ann_file)
        try:
            captions = defaultdict(list)
            for sentence in content['sentences']:
                captions[sentence['video_id']].append(sentence['caption'])
            names = [v['video_id'] for v in content['videos'] if v['split'] == self.split]
        except (KeyError, TypeError) as error:
            raise AnnotationError(
                f'{self.ann_file}: not the JSON of MSR-VTT, with "videos" and "sentences" '
                f'({type(error).__name__}: {error})'
            ) from error
        for name, count in Counter(names).items():
            if count > 1:
                raise AnnotationError(f'{self.ann_file}: {count} videos have the id {name!r}')
        for number, name in enumerate(names):
            yield Row(f'video {name}', f'{name}.mp4', captions[name], number)

    def load_data_list(self) -> list[dict]:
        """Read and check the annotation file."""
        return [dict(item, video_path=item['img_path']) for item in super().load_data_list()]
