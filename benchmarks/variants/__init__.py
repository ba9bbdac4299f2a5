"""One module a variant, found by being here: see ``benchmarks/registry.py`` for what a module has to say."""
