"""What lp keeps: safetensors models, resumable training state, prediction tables, other formats.

Importing this package imports nothing else; take what you need from its modules.
"""
