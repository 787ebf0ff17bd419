# Table 8e, text feature: 8 [CLS] tokens have 80.3 (frozen encoder) and 36.9 (COCO R@1), beside
# 80.7 and 41.4 of the reference's single [CLS].
_base_ = 'reference_tiny_icons.py'

model = dict(text=dict(unimodal=dict(type='mmcoca.AggregatingUnimodalDecoder', num_cls_tokens=8)))
