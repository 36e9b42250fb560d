"""The built-in trainer: a small, real LoRA training that looks like sd-scripts from the outside.

`python -m runner.embedded <flags of train_network.py>` trains LoRA weights for a small frozen
text-conditioned denoiser. Steps, batches, files, console and exit codes follow
kohya-ss/sd-scripts v0.10; the networks are much smaller, so that a run takes a minute on a CPU.
This package is the only one that imports torch, accelerate and Pillow.

Test aids in the environment:
PLASMA_EMBEDDED_NAN_AT=n     the loss of the process's n-th training batch is NaN
PLASMA_EMBEDDED_SLEEP=s      every training batch takes s seconds longer
"""
