"""Reading files that anybody may have written, and naming new ones, safely and within bounds.

In: paths. Out: bytes, text, headers, or one sentence about what is wrong. Begin with `regular_file`.
"""
