"""A simulated Raspberry Pi on a PC: qemu's processor, Debian's Python, the genuine wheels. For developers and CI."""
