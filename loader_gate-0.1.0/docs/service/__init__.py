"""Measures the tf.data service: ``python -m docs.service`` writes ``table.md``."""
