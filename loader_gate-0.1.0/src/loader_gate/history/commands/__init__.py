"""What ``python -m loader_gate.history`` does, a module for sub-commands that belong together.

Each function carries out one sub-command: it takes the parsed arguments and returns the exit code.
"""
