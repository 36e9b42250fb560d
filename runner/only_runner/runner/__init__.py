"""This installation's `runner`, found through a folder with nothing else in it.

The built-in trainer runs in an interpreter of the user's choice. A PYTHONPATH with our site-packages would
put our numpy and Pillow before its own.
"""

import os

__path__ = [os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))]  # noqa: PTH100, PTH120
