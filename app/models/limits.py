"""How large the files of a bundle may be; larger ones are refused before they are read."""

MAX_CARD_BYTES = 1 << 20
MAX_FILE_BYTES = 200 * 1024 * 1024  # weights and statistics, each
