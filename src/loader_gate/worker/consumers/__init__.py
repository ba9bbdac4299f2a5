"""What uses up the batches of an epoch in a worker: every file is one kind of consumer, found by its name.

It may import ``worker.epoch``, ``worker.dataset`` and what the room may, and loads no image itself.
"""
