"""Lays flow logs into the stand-ins, in every form in which AWS carries them."""
