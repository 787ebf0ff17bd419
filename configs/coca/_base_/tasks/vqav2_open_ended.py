# VQA v2 with answers that the captioner writes after the question, from the weights that vqav2.py
# trains, over the same data. The paper chooses among 3,129 answers and has no figure for this. A
# batch costs a generation for each of its different questions.
_base_ = 'vqav2.py'

task = dict(model=dict(open_ended=True))
