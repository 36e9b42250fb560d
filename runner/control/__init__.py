"""User commands: start, stop, resume, retry, approve, remove, edit a flag. In: a configuration or a run,
and the request. Out: a started run, an order in its inbox, or one sentence why not. Begin with `begin` (start),
`orders` (stop) and `resume`.
"""
