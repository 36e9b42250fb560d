"""Tests of the wheel, installed as a person would install it."""
