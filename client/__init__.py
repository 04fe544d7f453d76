"""The client: the commands of `socketscope`, and scripts to play."""
