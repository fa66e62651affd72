"""Words that are awkward to slice, encode or measure, for texts drawn at random."""

from __future__ import annotations

WORDS = [
    *("Hello there. ", "He said so. ", "\n", "\n\n", "\n\n\n", "   ", " ", "\t", "\u00a0", "\u3000", "\x85", "\u2028"),
    *(
        "</s>",
        "<s>",
        "<think>",
        "a b ",
        "Kettle! ",
        "don't ",
        "1,234.5 ",
        "... ",
        "\u2014",
        "a",
        "Z",
        "\ufb01",
        "\u00bd",
    ),
    *(
        "e\u0301",
        "\u0301",
        "\U0001f389",
        "\U0001f469\u200d\U0001f467",
        "\x00",
        "\u200f",
        "\u2581",
        "\u2581\u2581",
        "\u0120",
    ),
    *("\u05e9\u05dc\u05d5\u05dd. ", "\u0645\u0631\u062d\u0628\u0627\u061f ", "\u4e2d\u6587\u3002"),
    *("\u300c\u306f\u3044\u3002\u300d", "\u0939\u0948\u0964 ", "x" * 12, "aaaaaaa", "!!!!!!"),
]
