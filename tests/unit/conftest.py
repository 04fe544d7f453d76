from hypothesis import settings

# How long an example takes is the machine's affair, which others share.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
