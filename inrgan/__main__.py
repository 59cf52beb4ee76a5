"""The program: ``inrgan``, ``python -m inrgan``, and what torchrun starts."""

from inrgan.process import tune_process


def main() -> None:
    """Run one command, see ``inrgan.cli``, in a process of its own."""
    tune_process()
    from inrgan.cli import main as run  # loads torch, and so comes after the settings

    run()


if __name__ == "__main__":
    main()
