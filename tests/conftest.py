from hypothesis import settings

# How long an example takes says more of the machine and its neighbours than of the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
