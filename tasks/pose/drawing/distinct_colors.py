"""Colors that readers with any kind of color vision can tell apart, on white and on black.

Pure Python, so that a web page or a form that wants them need not load matplotlib.
"""

DISTINCT_COLORS = (
    *("#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#cc79a7", "#8600ff", "#494955"),
    *("#922400", "#8686ff", "#0c3db6", "#9ec286", "#3d6d49", "#b60c86", "#dbaab6", "#6d61db"),
    *("#9e9e55", "#ce003d", "#6d2492", "#b631aa", "#ff6ddb", "#495579", "#61ce55", "#f36186"),
    *("#86616d", "#aa61ce", "#9255ff", "#b6619e", "#6d31db", "#929eff", "#006124", "#aa7955"),
    *("#db8624", "#aa86c2", "#ceaace", "#9e0c61"),
)
"""Colors in the order in which they are given out, as red, green and blue in hexadecimal.

The first six are those of Okabe and Ito, Color Universal Design (2008), without black and yellow,
which are not seen on black or on white. Each of the others is as far as can be from all before it,
for usual vision and for the three kinds of color blindness as Machado et al. (2009) simulate them,
in the color space Oklab; all have a contrast of at least 1.9 to white and 2 to black (#111).
"""


def pick_distinct_colors(count: int) -> list[str]:
    """Colors for the first body parts (or individuals), in their order; after 36 they repeat.

    A body part's color depends on its place alone, not on how many there are.

    Returns:
        ``#rrggbb`` for each.
    """
    return [DISTINCT_COLORS[index % len(DISTINCT_COLORS)] for index in range(count)]
