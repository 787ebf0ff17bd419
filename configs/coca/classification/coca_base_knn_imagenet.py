# ImageNet without training: the 20 training images nearest to an image, by the mean of the frozen
# encoder's patch tokens, vote for its class. The paper has no figure; number of neighbours and
# temperature are DINO's (arXiv 2104.14294). For tools/test.py with a checkpoint of pretraining.
# Data: as in coca_base_frozen_imagenet.py, for folders of your own too (but for num_classes;
# k is at most the number of training images).
_base_ = '../coca_base.py'

model = dict(
    _delete_=True,
    type='ImageClassifier',
    data_preprocessor=dict(_base_.model.data_preprocessor, type='ClsDataPreprocessor'),
    backbone=dict(_base_.model.backbone, out_type='featmap'),
    neck=dict(type='GlobalAveragePooling'),
)
imagenet = dict(type='ImageNet', data_root='data/imagenet', pipeline=_base_.test_pipeline)
test_dataloader = dict(dataset=dict(imagenet, _delete_=True, split='val'))
test_cfg = dict(
    type='mmcoca.KNNTestLoop',
    key_dataloader=dict(_base_.test_dataloader, dataset=dict(imagenet, split='train')),
    k=20,
    temperature=0.07,
)
test_evaluator = [dict(type='Accuracy', topk=(1, 5), prefix='knn')]

train_cfg = train_dataloader = optim_wrapper = param_scheduler = None
val_cfg = val_dataloader = val_evaluator = None
