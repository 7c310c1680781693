"""The pages people look at: rendered here, with one style sheet and one small script."""
