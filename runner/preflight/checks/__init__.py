"""The checks, one file per topic. `runner.preflight.registry` imports every module in here, and `@check`
registers its checks.
"""
