"""The command line: `socketscope`, which is also `python -m socketscope`."""
