"""placeholder until the recipe research reports"""


def augment(x, settings, rng):
    return x
