# Kinetics-400 with the encoder fine-tuned, by the paper's recipe that
# coca_base_frozen_kinetics400.py has: CoCa (2B) 88.9 % top-1; of Base the paper has no figure.
_base_ = 'coca_base_frozen_kinetics400.py'

model = dict(type='ImageClassifier')
