"""One module a variant, found by being here: `loader_gate.registry` says what a module has to say.

A variant imports ``loader_gate`` (`Tree`, `Spec`, `cores`) and other variants, and knows no harness.
"""
