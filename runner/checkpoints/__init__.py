"""Files of weights: complete? finite? their norms; state folders; export.

In: paths of safetensors, `.ckpt`, diffusers and state folders. Out: what was found in them. Begin with
`verify`.
"""
