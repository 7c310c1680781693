"""`python -m app` is `hallwatch`."""

from app.cli import main

main()
