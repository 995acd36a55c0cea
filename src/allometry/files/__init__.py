"""Files: atomic writing (`durable`), Allometry's own files and folders (`own`, `private`), and safe
reading of files that others wrote (`foreign`, `strict_json`).
"""
