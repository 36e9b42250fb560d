"""What a person can order: start, stop, resume, retry, approve, remove.

In: a configuration or a run, and what is wanted. Out: a started run, an order in its inbox, or one sentence
why not. Begin with `begin` (start), `orders` (stop) and `resume`.
"""
