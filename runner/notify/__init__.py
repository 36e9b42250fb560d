"""Notifications: when to send one, where it goes, and the short-lived process that sends it.

In: a run's end or alarm, and `[notify]`. Out: one message per channel. Begin with `message`; each channel is
one file.
"""
