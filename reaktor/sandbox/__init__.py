"""Work on bytes that strangers send, in a process of its own. `sandbox` runs and bounds it; `pictures` is such work.

What runs there (`launch`, `picture_work`) imports nothing of ours, and is told no secret.
"""
