"""Everything specific to the built-in trainer. It uses sd-scripts' flags, names and datasets.

In: `[trainer]` without a checkout. Out: its command line and flags. Begin with `program`; it trains in
`runner.embedded`.
"""
