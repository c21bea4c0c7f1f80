"""The arms of the activation study as a system's networks: one network per activation and learning rate.

"relu@0.003" is the survey's CNN with relu everywhere and initial weights to match; "relu@0.003!" is the control arm's
form, whose initial weights are Glorot's whatever the activation. An arm's name says all that differs; the rest is one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from quintet.optimiser import Adam
from quintet.recipe import Recipe
from quintet.system import Prepared
from quintet_systems.digits.networks import survey_recipe
from quintet_systems.digits.system import Digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One activation at one learning rate."""

    activation: str
    rate: float
    matched: bool = True

    @property
    def name(self) -> str:
        """The network's name in the study."""
        return f"{self.activation}@{self.rate:g}{'' if self.matched else '!'}"


class Arms(Digits):
    """The digits system with the given arms as its networks."""

    def __init__(self, arms: Sequence[Arm], epochs: float) -> None:
        self._arms = {arm.name: arm for arm in arms}
        self._epochs = epochs

    def networks(self) -> Sequence[str]:
        """Return the arms' names."""
        return tuple(self._arms)

    def recipe(self, network: str, prepared: Prepared) -> Recipe:
        """Return the survey's CNN with the arm's activation, rate and initial weights.

        Adam, and not the survey network's SGD: under SGD the sigmoid network was seen to stay on its plateau for a whole
        epoch (11 % right on MNIST's validation split at rate 0.5, where Adam at 0.003 came to 88 %), and an arm that has not
        begun to learn says nothing about activations.
        """
        arm = self._arms[network]
        recipe = survey_recipe(prepared.input_shape, arm.activation)
        return replace(
            recipe,
            net=replace(recipe.net, name=arm.name),
            optimiser=Adam(),
            rate=arm.rate,
            epochs=self._epochs,
            initial="matched" if arm.matched else "glorot",
        )
