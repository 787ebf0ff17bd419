# Table 8e, text feature: 1 [CLS] and the text tokens have 80.3 (frozen encoder) and 40.2 (COCO
# R@1), beside 80.7 and 41.4 of the reference's single [CLS].
_base_ = 'reference_tiny_icons.py'

model = dict(
    text=dict(
        unimodal=dict(
            type='mmcoca.AggregatingUnimodalDecoder',
            num_cls_tokens=1,
            with_text_tokens=True,
        )
    )
)
