"""Takes the picture of a report's first screen, with a headless Chromium.

    python -m docs.picture demo-results/report.html docs/report.png

README shows the picture of a report of the demo. Run it again when the page or the demo changes.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import click

_BROWSERS: Final = ("chromium", "google-chrome", "chrome")
_PATIENCE_SECONDS: Final = 300
_OPTIONS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--virtual-time-budget=10000",
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("report", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("picture", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--width", default=1280, show_default=True, help="Width of the window in pixels.")
@click.option("--height", default=860, show_default=True, help="Height of the window in pixels.")
def main(report: Path, picture: Path, width: int, height: int) -> None:
    """Save the first screen of the HTML report REPORT as the PNG file PICTURE."""
    browser = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise click.ClickException(f"none of {', '.join(_BROWSERS)} is installed; install one of them")
    with tempfile.TemporaryDirectory(prefix="distilbench-picture-") as profile:
        command = [
            browser,
            *_OPTIONS,
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
            f"--screenshot={picture.resolve()}",
            report.resolve().as_uri(),
        ]
        done = subprocess.run(  # noqa: S603  # our own command
            command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False
        )
    if done.returncode or not picture.exists():
        raise click.ClickException(f"{browser!r} took no picture of {str(report)!r}: {done.stderr[-500:]}")


if __name__ == "__main__":
    main()
