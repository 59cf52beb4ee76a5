"""``python -m inrgan``, as torchrun calls it."""

from inrgan.cli import main

if __name__ == "__main__":
    main()
