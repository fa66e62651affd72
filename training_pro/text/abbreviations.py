"""Abbreviations whose full stop ends no sentence, by what may follow them; and a user's own list.

Costs nothing but set look-ups; used by `sentence_stops` on the way text -> sentences -> blocks.
All words are stored case-folded and without their last full stop ("e.g", "vol", "z.b").
"""

from __future__ import annotations

from pathlib import Path

from training_pro.errors import DataError

# A name or another word always follows: the stop never ends a sentence.
BEFORE_NAME = frozenset(
    """
    mr mrs ms messrs mme mmes mlle dr prof rev revd hon gen col maj capt cpt cmdr lt sgt cpl pvt adm gov sen rep
    pres supt insp det st ste mt ft fr br sr.a sra srta dra herr fr frl hr dott sig sig.ra avv ing arch
    e.g i.e eg ie cf viz al vs approx ca c z.b z.t d.h u.a o.ä bzw vgl sog ggf evtl inkl p.ej p.ex ex
    т.е т.к напр см г-н г-жа ул проф акад им mgr inż np tzn tj tzv např bijv d.w.z m.b.t resp
    """.split()
)

# A number follows: "vol. 2", "No. 5", "p. 12". Before anything else the stop may end a sentence ("He said no.").
BEFORE_NUMBER = frozenset(
    """
    no nos nr num núm n vol vols p pp pg fig figs ch chap sec sect art arts eq eqs ex tab pl col cap bd abb kap s
    ff jg aufl ver vers rev op dept lib bk pt par стр рис гл т с п ст č čl str rys rozdz ok
    jan feb mar apr jun jul aug sep sept oct nov dec janv févr avr juil déc
    """.split()
)

# May stand at a sentence's end as well as inside it: what follows decides.
MAY_END = frozenset(
    """
    etc usw etcetera a.m p.m am pm a.d b.c b.c.e c.e inc ltd co corp llc jr sr esq ph.d m.d d.d.s m.a b.a b.sc m.sc
    u.s u.k u.n e.u d.c u.s.a ee.uu st ave blvd rd dept univ assn bros и.т.д и.т.п т.д т.п др гг г в
    """.split()
)


def read_abbreviations(path: Path) -> frozenset[str]:
    """A user's abbreviations: one a line, with or without the last full stop; `#` starts a comment.

    No such file: the empty set.

    Raises: DataError when the file can't be read, is no UTF-8 or has a line of more than one word.
    """
    try:
        typed = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return frozenset()
    except UnicodeDecodeError as error:
        raise DataError(
            f"The abbreviation list {path} is not UTF-8 (byte offset {error.start}): save it as UTF-8."
        ) from error
    except OSError as error:
        raise DataError(
            f"The abbreviation list {path} can't be read ({error.strerror}): check its permissions or remove it."
        ) from error
    words = set()
    for number, line in enumerate(typed.splitlines(), start=1):
        word = line.partition("#")[0].strip()
        if len(word.split()) > 1:
            raise DataError(
                f"Line {number} of the abbreviation list {path} is {word[:40]!r}: write one abbreviation a line."
            )
        if word.strip("."):
            words.add(word.removesuffix(".").casefold())
    return frozenset(words)
