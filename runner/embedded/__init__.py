"""The built-in trainer. The only package here that may import torch, accelerate and PIL."""
