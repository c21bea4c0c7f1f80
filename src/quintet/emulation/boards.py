"""The boards that are emulated: which processor qemu plays, and what that board's /proc/cpuinfo says.

LiteRT and onnxruntime look into /proc/cpuinfo for the instructions they may use, and crash where it is an x86 one.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedBoard:
    """A board's processor: qemu's name for it, and its part number and features as Linux shows them."""

    title: str
    cpu: str
    part: str
    features: str

    def cpuinfo(self) -> str:
        """Return /proc/cpuinfo with four cores."""
        lines = (
            "BogoMIPS\t: 108.00",
            f"Features\t: {self.features}",
            "CPU implementer\t: 0x41",
            "CPU architecture: 8",
            "CPU variant\t: 0x0",
            f"CPU part\t: {self.part}",
            "CPU revision\t: 3",
        )
        cores = ("\n".join((f"processor\t: {core}", *lines)) for core in range(4))
        return "\n\n".join(cores) + "\n"


EMULATED = {
    "pi3": EmulatedBoard(
        title="Raspberry Pi 3 (Cortex-A53)", cpu="cortex-a53", part="0xd03", features="fp asimd evtstrm crc32 cpuid"
    ),
    "pi4": EmulatedBoard(
        title="Raspberry Pi 4 (Cortex-A72)", cpu="cortex-a72", part="0xd08", features="fp asimd evtstrm crc32 cpuid"
    ),
    "pi5": EmulatedBoard(
        title="Raspberry Pi 5 (Cortex-A76)",
        cpu="cortex-a76",
        part="0xd0b",
        features="fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
    ),
}
