"""Checkpoints: complete? finite? norms; state folders; export. In: paths of safetensors, `.ckpt`, diffusers
and state folders. Out: verification results. Begin with `verify`.
"""
