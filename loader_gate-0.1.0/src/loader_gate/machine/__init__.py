"""What the system shows of this machine: cores, memory, quotas, noise, and what it is, as data.

It imports no other room, and judges nothing.
"""
