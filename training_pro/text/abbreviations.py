"""Abbreviations of many languages by what may follow them, the words that open sentences, and a user's own list.

Costs set look-ups alone. Used by `sentence_stops` on the way text -> sentences -> blocks. Abbreviations are kept
case-folded and without their last full stop ("e.g", "vol", "z.b").
"""

from __future__ import annotations

from enum import Enum, auto
from pathlib import Path

from training_pro.errors import DataError


class Kind(Enum):
    """What the full stop of an abbreviation can mean."""

    INSIDE = auto()  # a name or another word always follows: "Mr.", "e.g."
    NUMBERED = auto()  # a number follows, as in "vol. 2"; before anything else the stop is like any other
    ENDING = auto()  # stands inside a sentence as well as at its end: "etc.", "a.m."


_INSIDE = """
    mr mrs ms messrs mme mmes mlle mm dr drs prof profs rev revd hon gen col maj capt cpt cmdr cmd lt sgt cpl pvt adm
    gov sen rep reps pres supt insp det st ste mt ft fr br msgr fig figs
    e.g i.e eg ie cf viz vs approx ca c al. ibid op resp esp incl excl alias
    sr.a sra srta srs d da dña dn excmo ud uds vd vds p.ej p.e
    herr frl hr hrn z.b z.t d.h u.a o.ä i.d.r m.e s.o s.u u.u v.a bzw vgl sog ggf evtl inkl exkl insb bspw dipl ing
    geb gest verh abs anm hrsg übers
    p.ex ex env boul chap m
    sig sigg sig.ra dott dott.ssa avv arch on egr gent s.ta ss cfr es
    exmo exma profa dra eng
    dhr mevr mw bijv d.w.z m.b.t o.a m.n t.a.v i.p.v i.v.m z.g.n ir
    t.ex bl.a d.v.s f.eks dvs m.fl s.k f.d o.s.v kl
    np tzn tj tzw tzv m.in im ul inż mgr płk gen.dyw św
    např tj mj mudr judr rndr phdr kpt
    pl ún ill kb dl dna dlui
    esim ks ns mm nk eaa
    örn bkz av doç yrd
    напр т.е т.к т.н т.о см ср им ул пр просп проф акад доц св гр г-н г-жа тов гос рис табл
    наприклад напр див ім вул
    π.χ κ κα κος βλ δηλ λ.χ
    डॉ श्री प्रो पं सं
    د أ م ص
"""
_NUMBERED = """
    no nos nr nro num núm n vol vols p pp pg pgs ch sec sect § art arts eq eqs ex tab pl bd bde abb kap s ff jg aufl
    ver vers rev bk pt par para col cap str стр гл т п ст č čl rys rozdz ok nº n.º pág págs pag lk tel ext apt rm cat
    num ps gen exod lev matt mk lk jn rom cor gal eph heb jas rev fn sr
    jan feb mar apr jun jul aug sep sept oct nov dec janv févr avr juil déc ene abr ago dic okt dez mär genn febbr
    ott янв фев мар апр июн июл авг сен сент окт ноя дек mon tue tues wed thu thur thurs fri sat sun
"""
_ENDING = """
    etc usw etcetera ecc enz osv itd itp atd apod stb jne ym vb vs. u.s.w o.ä ff
    a.m p.m am pm a.d b.c b.c.e c.e v.chr n.chr a.c d.c inc ltd co corp llc plc gmbh jr sr esq ph.d m.d d.d.s m.a b.a
    b.sc m.sc d.phil ll.d u.s u.k u.n e.u d.c u.s.a u.s.s.r n.y l.a ee.uu uu av ave blvd rd dept univ assn bros bldg
    est mfg natl intl govt mgmt min max hr hrs sec secs lb lbs oz ft in yd yds mi km cm kg al et.al
    т.д т.п др гг г в вв руб коп тыс млн млрд и.т.д и.т.п р н.э к.э тел κ.λπ κ.ά μ.μ π.μ μ.χ π.χρ
    r w wieku roku zł tys mln mld
"""

KINDS: dict[str, Kind] = {
    **{word: Kind.ENDING for word in _ENDING.split()},
    **{word: Kind.NUMBERED for word in _NUMBERED.split()},
    **{word: Kind.INSIDE for word in _INSIDE.split()},
}

_STARTERS = """
    he she it they we you i the a an this that these those there then but and or so if when while what who where why
    how in on at for from after before as yes not his her its their our my your one some all no now it's he's i'm
    she's that's there's however although though since because with by to of to both each many most such another
    er sie es wir ihr ich der die das ein eine und aber doch wenn als da dann dieser diese dieses im in am auf mit nach
    il elle ils elles nous vous je tu on le la les un une des et mais ou où ce cette ces dans en puis pour
    él ella ellos ellas yo nosotros el los las una y pero si cuando este esta entonces
    lui lei loro noi voi io gli lo ma e se quando questo questa poi
    ele ela eles elas o os as um uma mas quando então
    hij zij wij jij ik het een en maar toen dit deze
    han hon hun de vi jag jeg och og men det den detta dette en et ett så
    on ona ono oni my ja ale jednak to ten ta i w na po
    hän se he me minä mutta ja kun tämä
    он она оно они мы вы я но а и в на это этот эта тогда когда потом там
    він вона воно вони ми ви але й і у це
    o bu şu ben sen biz siz ama ve sonra
    αυτός αυτή ο η το οι και αλλά όταν
"""
STARTERS = frozenset(_STARTERS.split())

_MONTHS = """
    january february march april may june july august september october november december
    januar februar märz april mai juni juli august september oktober november dezember jänner
    januari februari maart mei augustus mars juin juillet août janvier février avril septembre octobre novembre décembre
"""
MONTHS = frozenset(_MONTHS.split())


def read_abbreviations(path: Path) -> frozenset[str]:
    """A user's abbreviations: one a line, with or without the last full stop; `#` starts a comment.

    No such file: the empty set.

    Raises: DataError when the file can't be read, is not UTF-8, or has a line of more than one word.
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
