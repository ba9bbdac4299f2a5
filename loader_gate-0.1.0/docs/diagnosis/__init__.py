"""Loaders that are slow for a known reason, and what is said of them."""
