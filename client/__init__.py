"""The client's program: the commands of `socketscope.replay`, and scripts to play."""
