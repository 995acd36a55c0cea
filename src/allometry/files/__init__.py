"""Files: written whole or not at all (`durable`), ours among others (`own`, `private`), and those
that others wrote, read in bounds (`foreign`, `strict_json`).
"""
