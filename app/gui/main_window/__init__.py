"""The main window: steps at the left, pages in the middle, progress and errors below."""
