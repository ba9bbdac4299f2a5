"""Benchmarks of image-input pipelines, and the harness that measures and gates them."""
