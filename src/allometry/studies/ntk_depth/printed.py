"""The 164 slopes that notebook 002 prints, and the sizes each was fitted to.

Source: J. Aiad 2025, DeNN-NTK, ntk_correction_largeexperiments_viz_wrtL.ipynb at 61e4bcb. The
notebook prints slope and R^2. The number of depths is from its author's later table (52a084c),
and the sets of points are inferred from the order in which his jobs ran.
"""

from typing import Literal, NamedTuple

__all__ = ["OVER_DEPTH", "OVER_POINTS", "PRINTED", "Cell", "Row"]

Cell = tuple[int, int, int, int]  # points N, input dimension D, width M, depth L


class Row(NamedTuple):
    """A line of the printed table.

    Attributes:
        over: the size that varies, depth L or number of points N.
        fixed: the value of the other of the two.
        d_in: D.
        width: M.
        slope, r2: of ln(mean spectral radius), as printed.
        points: number of sizes it was fitted to.
    """

    over: Literal["L", "N"]
    fixed: int
    d_in: int
    width: int
    slope: float
    r2: float
    points: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """The depths 2, 4, ..., or the numbers of points, to which the line was fitted."""
        if self.over == "L":
            return tuple(range(2, 2 * self.points + 1, 2))
        if (self.fixed, self.d_in, self.width) == (2, 20, 100):
            return 8, 16, 32, 64, 128  # from an older run with other sizes
        return POINT_SETS[self.points]

    @property
    def tolerance(self) -> float:
        """Largest difference allowed for a slope of ten other draws; ours, fixed before any run."""
        if self.over == "N":
            return 0.2 if self.fixed >= 18 and self.width <= 20 else 0.03
        if self.width >= 100 and self.d_in >= 50:
            return 0.02
        return 0.03 if self.width >= 30 else 0.1

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells to which the line was fitted."""
        if self.over == "L":
            return tuple((self.fixed, self.d_in, self.width, depth) for depth in self.sizes)
        return tuple((points, self.d_in, self.width, self.fixed) for points in self.sizes)


# Reconstructed; these sets give the printed number of points for 60 of the 61 lines over N.
POINT_SETS = {
    5: (8, 10, 16, 25, 32),
    6: (8, 10, 16, 25, 32, 64),
    7: (8, 10, 16, 25, 32, 64, 128),
    8: (8, 10, 16, 25, 32, 40, 64, 128),
    9: (8, 10, 16, 25, 32, 40, 64, 128, 256),
    10: (8, 10, 16, 25, 32, 40, 50, 64, 128, 256),
}

# "N D: M slope R2 depths, ..."
OVER_DEPTH = """\
8 20: 10 1.129 0.886 29, 20 1.085 0.987 27, 30 1.073 0.993 22, 40 1.113 0.989 17
8 20: 50 1.112 0.988 12, 60 1.245 0.993 7, 100 1.171 0.993 9, 200 1.169 0.992 9
8 20: 500 1.182 0.993 9, 1000 1.182 0.993 9, 2000 1.181 0.992 9
8 50: 10 1.056 0.994 27, 20 1.076 0.993 21, 30 1.093 0.991 16, 40 1.147 0.993 11
8 50: 50 1.239 0.995 6, 100 1.169 0.993 9, 200 1.158 0.993 9, 500 1.173 0.993 9
8 50: 1000 1.159 0.994 9, 2000 1.171 0.992 9
8 100: 10 1.075 0.993 21, 20 1.092 0.993 16, 30 1.136 0.993 11, 40 1.232 0.995 6
8 100: 100 1.168 0.993 9, 200 1.166 0.993 9, 500 1.167 0.993 9, 1000 1.166 0.994 9
8 100: 2000 1.208 0.994 7
8 200: 10 1.099 0.993 16, 20 1.136 0.993 11, 30 1.225 0.995 6, 100 1.165 0.993 9
8 200: 200 1.173 0.992 9, 500 1.163 0.993 9, 1000 1.204 0.994 7
8 500: 10 1.137 0.993 11, 20 1.23 0.994 6
8 1000: 10 1.229 0.995 6
10 20: 10 1.084 0.995 26, 20 1.091 0.991 21, 30 1.139 0.988 16, 40 1.181 0.993 11
10 20: 50 1.246 0.994 6
10 50: 10 1.093 0.992 21, 20 1.132 0.983 16, 30 1.148 0.99 11, 40 1.259 0.991 6
10 100: 10 1.108 0.992 16, 20 1.147 0.991 11, 30 1.248 0.993 6
10 200: 10 1.153 0.992 11, 20 1.248 0.992 6
10 500: 10 1.25 0.994 6
16 20: 10 1.123 0.988 21, 20 1.137 0.991 19, 30 1.169 0.986 14, 40 1.216 0.987 9
16 20: 100 1.24 0.991 9, 200 1.207 0.991 9, 500 1.231 0.988 9, 1000 1.223 0.991 9
16 20: 2000 1.298 0.992 6
16 50: 10 1.116 0.986 19, 20 1.15 0.989 14, 30 1.218 0.991 9, 100 1.209 0.989 9
16 50: 200 1.214 0.989 9, 500 1.214 0.989 9, 1000 1.284 0.992 6
16 100: 10 1.141 0.99 14, 20 1.21 0.989 9, 100 1.212 0.989 9, 200 1.207 0.99 9
16 100: 500 1.292 0.992 6
16 200: 10 1.211 0.99 9, 100 1.207 0.99 9, 200 1.294 0.991 6
25 20: 10 1.183 0.985 16, 20 1.212 0.986 11, 30 1.338 0.992 6
25 50: 10 1.201 0.984 11, 20 1.324 0.991 6
25 100: 10 1.315 0.99 6
32 20: 10 1.141 0.987 19, 20 1.254 0.981 14, 30 1.223 0.986 9, 100 1.237 0.983 9
32 20: 200 1.248 0.983 9, 500 1.348 0.988 6
32 50: 10 1.191 0.976 14, 20 1.239 0.988 9, 100 1.238 0.987 9, 200 1.33 0.99 6
32 100: 10 1.239 0.988 9, 100 1.33 0.99 6
40 20: 10 1.435 0.97 6
64 20: 10 1.196 0.986 14, 20 1.284 0.988 9, 100 1.355 0.984 6
64 50: 10 1.268 0.986 9
128 20: 10 1.315 0.985 9
"""

# "L D: M slope R2 points, ..."
OVER_POINTS = """\
2 20: 10 0.847 0.992 10, 20 0.804 0.993 8, 30 0.771 0.995 6, 40 0.782 0.999 5, 100 0.817 0.996 5
2 50: 10 0.821 0.997 8, 20 0.789 0.996 6, 30 0.76 0.998 5
2 100: 10 0.793 0.998 6, 20 0.739 0.998 5
2 200: 10 0.746 0.998 5
4 20: 10 0.931 0.999 9, 20 0.889 0.998 7, 30 0.867 0.992 6
4 50: 10 0.896 0.997 7, 20 0.871 0.997 6
4 100: 10 0.874 0.998 6
6 20: 10 0.93 0.998 9, 20 0.9 0.994 7, 30 0.871 0.993 6
6 50: 10 0.909 0.998 7, 20 0.879 0.999 6
6 100: 10 0.895 0.998 6
8 20: 10 0.946 0.984 8, 20 0.933 0.998 7, 30 0.861 0.998 6
8 50: 10 0.925 0.998 7, 20 0.887 0.999 6
8 100: 10 0.894 0.999 6
10 20: 10 0.925 0.997 8, 20 0.912 0.999 6, 30 0.846 0.994 5
10 50: 10 0.913 0.997 6, 20 0.88 1.0 5
10 100: 10 0.886 0.998 5
12 20: 10 0.936 0.999 8, 20 0.915 1.0 6, 30 0.864 0.997 5
12 50: 10 0.967 0.974 6, 20 0.903 1.0 5
12 100: 10 0.849 1.0 5
14 20: 10 0.949 1.0 7, 20 0.9 0.993 6
14 50: 10 0.906 0.994 6
16 20: 10 0.921 0.999 7, 20 0.902 0.999 6
16 50: 10 0.891 0.998 6
18 20: 10 0.915 0.997 7, 20 0.868 0.989 6
18 50: 10 0.904 0.999 6
20 20: 10 0.887 0.997 6, 20 1.031 0.969 5
20 50: 10 0.912 0.995 5
22 20: 10 0.909 0.998 6, 20 0.875 0.993 5
22 50: 10 0.887 0.959 5
24 20: 10 0.902 0.996 6
26 20: 10 0.887 0.998 6
28 20: 10 0.896 0.998 6
30 20: 10 0.863 1.0 5
32 20: 10 0.891 0.999 5
"""


def _rows(over: Literal["L", "N"], text: str) -> list[Row]:
    rows = []
    for line in text.splitlines():
        head, _, rest = line.partition(": ")
        fixed, d_in = map(int, head.split())
        for entry in rest.split(", "):
            width, slope, r2, points = entry.split()
            rows.append(Row(over, fixed, d_in, int(width), float(slope), float(r2), int(points)))
    return rows


PRINTED: tuple[Row, ...] = (*_rows("L", OVER_DEPTH), *_rows("N", OVER_POINTS))
