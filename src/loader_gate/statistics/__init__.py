"""Estimates, confidence sequences, and what the control shows of a session: pure functions.

It imports no other room, and reads no clock and no file.
"""
