"""Draw the kept pictures of studies again: ``python -m docs.site.gallery STUDY ...``."""

import sys

from docs.site.gallery import studies

for study in sys.argv[1:]:
    studies.draw(study)
