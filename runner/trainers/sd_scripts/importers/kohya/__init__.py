"""Configurations of kohya_ss, the window around sd-scripts."""
